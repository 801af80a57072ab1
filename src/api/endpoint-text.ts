/** `10.0.0.1:80`, `[2001:db8::1]:80`, or an address alone, in its parts. */
export function splitEndpoint(text: string): { address: string; port?: number } {
  const parts = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const address = parts?.[1] ?? parts?.[2];
  return address === undefined ? { address: text } : { address, port: Number(parts?.[3]) };
}
