package main

import (
	"context"
	"errors"
	"net/url"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/embed"
)

type etcd struct {
	server   *embed.Etcd
	endpoint string
}

// startEtcd runs a single member. It has no peers to listen for, and does not
// wait for the disk: what a killed process has written, the kernel still has.
func startEtcd(ctx context.Context, data string) (*etcd, error) {
	any, err := url.Parse("http://127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	config := embed.NewConfig()
	config.Dir = data
	config.ListenClientUrls = []url.URL{*any}
	config.AdvertiseClientUrls = []url.URL{*any}
	config.ListenPeerUrls = []url.URL{*any}
	config.AdvertisePeerUrls = []url.URL{*any}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.UnsafeNoFsync = true
	config.TickMs = 20
	config.ElectionMs = 100
	config.LogLevel = "fatal"
	config.LogOutputs = []string{"/dev/null"}
	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(30 * time.Second):
		return nil, errors.New("not ready after 30 s")
	}
	return &etcd{server: server, endpoint: "http://" + server.Clients[0].Addr().String()}, nil
}

// compact forgets every revision before the newest.
func (e *etcd) compact(ctx context.Context) error {
	revision := e.server.Server.KV().Rev()
	_, err := e.server.Server.Compact(ctx, &etcdserverpb.CompactionRequest{Revision: revision, Physical: true})
	return err
}
