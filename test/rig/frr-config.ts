/** FRR's configurations: the router's, and an LB node's where FRR runs instead of BIRD. docs/bgp.md shows both. */
import type { BgpPeer, LbBgp } from './bird-config.ts';

export interface RouterBgp {
  readonly hostname: string;
  readonly routerId: string;
  readonly asn: number;
  /** The LB nodes. */
  readonly peers: readonly BgpPeer[];
  readonly vipRange: string;
  /** All SNAT pools lie in it. */
  readonly snatRange: string;
}

const BFD = `bfd
 profile fast
  detect-multiplier 3
  receive-interval 100
  transmit-interval 100
 exit
exit
`;

/** The router's frr.conf, for FRR 8.4 or later: takes VIPs and SNAT pools from LB nodes, tells them nothing. */
export function frrRouterConfig(router: RouterBgp): string {
  const peers = router.peers
    .map(
      (peer) => ` neighbor ${peer.address} remote-as ${peer.asn}\n neighbor ${peer.address} peer-group LB\n`,
    )
    .join('');
  return `frr defaults datacenter
hostname ${router.hostname}
no zebra nexthop kernel enable
bgp route-map delay-timer 1
!
ip prefix-list FROM-LB seq 5 permit ${router.vipRange}
ip prefix-list FROM-LB seq 10 permit ${router.snatRange} le 32
!
route-map FROM-LB permit 10
 match ip address prefix-list FROM-LB
exit
!
route-map TO-LB deny 10
exit
!
router bgp ${router.asn}
 bgp router-id ${router.routerId}
 bgp bestpath as-path multipath-relax
 timers bgp 1 3
 neighbor LB peer-group
 neighbor LB bfd profile fast
 neighbor LB timers connect 1
${peers} !
 address-family ipv4 unicast
  neighbor LB route-map FROM-LB in
  neighbor LB route-map TO-LB out
  maximum-paths 16
 exit-address-family
exit
!
${BFD}`;
}

/** An LB node's frr.conf: the VIP range follows the VIP device, the SNAT pool is always announced. */
export function frrLbConfig(lb: LbBgp, hostname: string): string {
  return `frr defaults datacenter
hostname ${hostname}
bgp route-map delay-timer 1
!
ip prefix-list VIPS seq 5 permit ${lb.vipRange}
ip prefix-list SNAT seq 5 permit ${lb.snatPool}
!
route-map VIP-DEVICE permit 10
 match interface ${lb.vipDevice}
 match ip address prefix-list VIPS
 set origin igp
exit
!
route-map TO-FABRIC permit 10
 match ip address prefix-list VIPS
exit
!
route-map TO-FABRIC permit 20
 match ip address prefix-list SNAT
exit
!
route-map FROM-FABRIC deny 10
exit
!
router bgp ${lb.asn}
 bgp router-id ${lb.routerId}
 no bgp network import-check
 timers bgp 1 3
 neighbor ${lb.peer.address} remote-as ${lb.peer.asn}
 neighbor ${lb.peer.address} bfd profile fast
 neighbor ${lb.peer.address} timers connect 1
 !
 address-family ipv4 unicast
  network ${lb.snatPool}
  redistribute connected route-map VIP-DEVICE
  neighbor ${lb.peer.address} route-map FROM-FABRIC in
  neighbor ${lb.peer.address} route-map TO-FABRIC out
 exit-address-family
exit
!
${BFD}`;
}
