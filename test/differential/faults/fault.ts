/** A small wrong edit of the C code, as a tired programmer would make it. */
export interface Fault {
  readonly name: string;
  /** In bpf/. */
  readonly file: string;
  /** Must be there exactly once. */
  readonly from: string;
  readonly to: string;
}

export const fault = (name: string, file: string, from: string, to: string): Fault => ({
  name,
  file,
  from,
  to,
});
