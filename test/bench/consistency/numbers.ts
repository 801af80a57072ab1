/** Numbers that are given on the command line as NAME=1000. */

/** Throws a RangeError that names the variable. */
export function numberFrom(name: string, otherwise: number): number {
  const value = Number(process.env[name] || otherwise);
  if (Number.isInteger(value) && value > 0) return value;
  throw new RangeError(`${name}=${process.env[name]}: must be a whole number above 0`);
}
