/** Configurations of the servers behind the VIPs. Every answer says which pod gave it. */
import { withPort } from '../../src/net/with-port.ts';
import type { Pod } from './topology.ts';

/** Where the pods listen; Services map their own ports to these. */
export const POD_PORTS = { web: 8080, dns: 5353, echo: 7007 } as const;

/** The zone that the DNS pods answer. */
export const ZONE = 'demo.test';

/** nginx for all web pods of a worker: `/` answers the pod's name, `/from` the client it sees, `/files/megabyte` and `/files/large` files. */
export function nginxConfig(directory: string, pods: readonly Pod[]): string {
  const servers = pods
    .map(
      (pod) => `	server {
		listen ${withPort(pod.address, POD_PORTS.web)};
		root ${directory}/html;
		location / { default_type text/plain; return 200 "${pod.name}\\n"; }
		location /from { default_type text/plain; return 200 "$remote_addr:$remote_port\\n"; }
		location /files/ { add_header X-Pod ${pod.name}; }
	}
`,
    )
    .join('');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `	${name}_temp_path ${directory}/${name};\n`)
    .join('');
  return `daemon off;
user root;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
	access_log off;
	client_max_body_size 16m;
	keepalive_requests 10000000;
	keepalive_timeout 1h;
${temporary}${servers}}
`;
}

/** Knot for one DNS pod, or for what stands for several. */
export function knotConfig(directory: string, name: string, addresses: readonly string[]): string {
  return `server:
  rundir: "${directory}"
  listen: [${addresses.map((address) => `"${address}@${POD_PORTS.dns}"`).join()}]
  identity: "${name}"
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: notice
database:
  storage: "${directory}"
zone:
  - domain: ${ZONE}
    storage: "${directory}"
    file: "zone"
    zonefile-sync: -1
    journal-content: none
`;
}

/** `pod.demo.test` TXT is the pod's name, `www.demo.test` A the VIP. */
export function zoneFile(name: string, vip: string): string {
  return `$ORIGIN ${ZONE}.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns.invalid.
www A ${vip}
pod TXT "${name}"
`;
}
