/** The tests of the root project load programs and make network namespaces. Without root they fail as one. */
export function setup(): void {
  if (process.geteuid?.() === 0) return;
  throw new Error('tests outside test/unit need root: run `sudo make test`, or `make unit` for the others');
}
