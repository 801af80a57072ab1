/** BIRD's configuration on an LB node. docs/bgp.md shows what this returns for the first node. */

export interface BgpPeer {
  readonly address: string;
  readonly asn: number;
}

export interface LbBgp {
  readonly routerId: string;
  readonly asn: number;
  /** The device towards the router, where BFD speaks. */
  readonly uplink: string;
  readonly vipRange: string;
  readonly vipDevice: string;
  readonly snatPool: string;
  readonly peer: BgpPeer;
}

/** The text of bird.conf, for BIRD 2.0.12 or later. */
export function birdConfig(lb: LbBgp): string {
  return `router id ${lb.routerId};
log stderr all;

protocol device {
	scan time 1;
}

protocol bfd {
	interface "${lb.uplink}" {
		interval 100 ms;
		multiplier 3;
	};
}

# Exists while the VIP device is up: the agent's switch for the announcement.
protocol static vips {
	ipv4;
	route ${lb.vipRange} via "${lb.vipDevice}";
}

# Answers to running connections come here, also during a drain: always announced.
protocol static snat {
	ipv4;
	route ${lb.snatPool} blackhole;
}

# There is no "protocol kernel": nothing of this reaches the kernel's routing table.

protocol bgp fabric {
	local as ${lb.asn};
	neighbor ${lb.peer.address} as ${lb.peer.asn};
	bfd on;
	hold time 3;
	connect delay time 1;
	connect retry time 1;
	error wait time 1, 2;
	ipv4 {
		import none;
		export where proto = "vips" || proto = "snat";
		next hop self;
	};
}
`;
}
