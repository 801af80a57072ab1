/** What can go wrong between us and an API server, in words that say what to do. Pure. */

/**
 * - `gone`: the server has forgotten the resource version (410).
 * - `conflict`: the object is another than the one we knew, or is there already (409).
 * - `missing`: there is no such object (404).
 * - `refused`: it answered, with an error.
 * - `unreachable`: there was no whole answer.
 */
export type FailureKind = 'gone' | 'conflict' | 'missing' | 'refused' | 'unreachable';

export class ApiFailure extends Error {
  constructor(
    readonly kind: FailureKind,
    message: string,
    /** The server does not take who we say we are. */
    readonly unauthorized = false,
    /** The object is not as it may be: asking again is in vain (400, 422). */
    readonly invalid = false,
  ) {
    super(message);
    this.name = 'ApiFailure';
  }
}

/** `Status` of the Kubernetes API, as far as we read it. */
interface ApiStatus {
  readonly code?: unknown;
  readonly message?: unknown;
}

/** An answer that is not 200. `body` may be anything, also cut short. `rights`: what the request takes. */
export function failureOfAnswer(status: number, body: string, rights = FOLLOWING): ApiFailure {
  let detail = body.trim().slice(0, 200);
  try {
    const { message } = JSON.parse(body) as ApiStatus;
    if (typeof message === 'string') detail = message;
  } catch {
    // A proxy's page, or nothing: shown as it is.
  }
  return failureOfStatus(status, detail, rights);
}

/** The object of a watch's ERROR event. */
export function failureOfErrorEvent(object: unknown): ApiFailure {
  const { code, message } = (object ?? {}) as ApiStatus;
  return failureOfStatus(typeof code === 'number' ? code : 500, typeof message === 'string' ? message : '');
}

const FOLLOWING = 'the rights list and watch';

function failureOfStatus(status: number, detail: string, rights = FOLLOWING): ApiFailure {
  const said = detail === '' ? '' : `: ${detail.slice(0, 200)}`;
  if (status === 410) return new ApiFailure('gone', `answers 410${said}`);
  if (status === 401) {
    const message = `answers 401${said}; the token or client certificate is wrong or has expired: renew it`;
    return new ApiFailure('refused', message, true);
  }
  if (status === 403) {
    return new ApiFailure('refused', `answers 403${said}; give the agent's identity ${rights}`);
  }
  if (status === 404) return new ApiFailure('missing', `answers 404${said}`);
  if (status === 409) return new ApiFailure('conflict', `answers 409${said}`);
  if (status === 400 || status === 422) {
    return new ApiFailure('refused', `answers ${status}${said}`, false, true);
  }
  return new ApiFailure('refused', `answers ${status}${said}`);
}

const CONNECTION_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses the connection',
  ECONNRESET: 'broke off the connection',
  EPIPE: 'broke off the connection',
  ETIMEDOUT: 'does not answer',
  EHOSTUNREACH: 'is not reachable: there is no host',
  ENETUNREACH: 'is not reachable: there is no route',
  ENOTFOUND: 'has a name that is not known',
  EAI_AGAIN: 'has a name that cannot be looked up now',
};

/** OpenSSL's names for a certificate that is not accepted, as Node passes them on. */
const CERTIFICATE_ERROR =
  /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|INVALID_CA|HOSTNAME_MISMATCH|INVALID_PURPOSE/;

/** Whatever was thrown on the way. */
export function failureOfError(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string') return new ApiFailure('unreachable', `cannot be asked: ${message}`);
  const known = CONNECTION_ERRORS[code];
  if (known !== undefined) return new ApiFailure('unreachable', `${known} (${code})`);
  if (CERTIFICATE_ERROR.test(code)) {
    const remedy = "give the cluster's own certificate-authority, and the server by a name it has";
    return new ApiFailure('unreachable', `shows a certificate that is not trusted (${message}); ${remedy}`);
  }
  return new ApiFailure('unreachable', `cannot be asked: ${message}`);
}

export function silentFailure(milliseconds: number): ApiFailure {
  return new ApiFailure('unreachable', `was silent for ${Math.round(milliseconds / 100) / 10} s`);
}

export function brokenAnswer(what: string): ApiFailure {
  return new ApiFailure('unreachable', `gave a broken answer: ${what}`);
}
