// kube-control-plane runs etcd, kube-apiserver and the EndpointSlice
// controller in one process, for tests. It writes certificates and kubeconfigs
// to a directory and prints "ready" when the API server is.
//
// SIGUSR1 compacts etcd at its newest revision, so that older resource
// versions are gone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"k8s.io/klog/v2"
)

type settings struct {
	directory string
	address   string
	port      int
	serverURL string
	slices    bool
	verbose   bool
	attached  bool
}

func main() {
	var s settings
	flag.StringVar(&s.directory, "directory", "", "for certificates, kubeconfigs and etcd's data; kept between runs")
	flag.StringVar(&s.address, "address", "127.0.0.1", "of the API server")
	flag.IntVar(&s.port, "port", 0, "of the API server; 0 takes a free one")
	flag.StringVar(&s.serverURL, "server-url", "", "what the kubeconfigs say instead of the server's own address")
	flag.BoolVar(&s.slices, "endpointslice-controller", true, "make EndpointSlices of Services with a selector")
	flag.BoolVar(&s.verbose, "verbose", false, "log to stderr what the parts log")
	flag.BoolVar(&s.attached, "attached", false, "end when standard input does, as it does when the parent ends in any way")
	flag.Parse()
	if s.directory == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "kube-control-plane:", err)
		os.Exit(1)
	}
}

func run(s settings) error {
	if !s.verbose {
		klog.LogToStderr(false)
		klog.SetOutput(io.Discard)
		log.SetOutput(io.Discard)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if s.attached {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	began := time.Now()

	listener, err := net.Listen("tcp4", net.JoinHostPort(s.address, strconv.Itoa(s.port)))
	if err != nil {
		return fmt.Errorf("API server's port: %w", err)
	}
	url := "https://" + listener.Addr().String()
	if s.serverURL == "" {
		s.serverURL = url
	}
	files, err := ensureFiles(s.directory, net.ParseIP(s.address), url, s.serverURL)
	if err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	etcd, err := startEtcd(ctx, files.etcdData)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer etcd.server.Close()

	ended := make(chan error, 1)
	go func() { ended <- runServer(ctx, listener, files, etcd.endpoint) }()
	if err := awaitReady(ctx, files.localKubeconfig, ended); err != nil {
		return err
	}
	if s.slices {
		if err := startSliceController(ctx, files.localKubeconfig); err != nil {
			return fmt.Errorf("EndpointSlice controller: %w", err)
		}
	}
	fmt.Printf("ready %s after %.1f s\n", url, time.Since(began).Seconds())

	compact := make(chan os.Signal, 1)
	signal.Notify(compact, syscall.SIGUSR1)
	for {
		select {
		case <-compact:
			if err := etcd.compact(ctx); err != nil {
				fmt.Println("compaction failed:", err)
			} else {
				fmt.Println("compacted")
			}
		case err := <-ended:
			if err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("API server: %w", err)
			}
			return nil
		}
	}
}
