import type { KubernetesObject } from '../sources/kube-objects.ts';
import type { Problem } from './desired-state.ts';

/** Notes a problem of an object; `field` (`spec.externalIPs.0`) finds the line, else it is the object's. */
export type Report = (severity: Problem['severity'], code: string, message: string, field?: string) => void;

/** The longest piece of what somebody wrote that a message repeats. */
const MOST_SHOWN = 80;

/** A text as a message shows it: in quotes, on one line, and not all of it when it is long. */
export function shown(text: string): string {
  return JSON.stringify(text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text);
}

/** A {@link Report} about one object that adds to a list. */
export function reportAbout(
  { kind, namespace, name, origin }: KubernetesObject,
  problems: Problem[],
): Report {
  return (severity, code, message, field) => {
    const line = (field === undefined ? undefined : origin?.lines[field]) ?? origin?.line;
    const place = origin === undefined || line === undefined ? {} : { file: origin.file, line };
    problems.push({ severity, code, message, object: { kind, namespace, name }, ...place });
  };
}
