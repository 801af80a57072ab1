/** `10.0.0.1:80` or `[2001:db8::1]:80`, from an address as text. By itself, because lbctl loads little. */
export function withPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
