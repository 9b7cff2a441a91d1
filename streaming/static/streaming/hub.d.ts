/**
 * The browser hub: the events of one stream, whatever happens to server, network, machine and tabs.
 *
 * Instants are milliseconds since 1970, as `Date.now()` gives them, unless they say otherwise.
 */

/** Make a hub. It opens nothing before `start()`, and no stream before somebody has subscribed. */
export function createHub(options: HubOptions): Hub;

export interface HubOptions {
  /** The stream's path or URL. A query of its own, such as `?org=…`, is kept; polling goes to the path + `/poll`. */
  url: string;
  /** Who is asking; the session cookie unless told otherwise. */
  auth?: Auth;
  /** The types that the feed has. Only needed where subscriptions use patterns. */
  types?: readonly string[];
  /** What to do while there is no stream; `false` for nothing. By default the polling twin is read every 2 s. */
  fallback?: Fallback | false;
  /** Whether a stream may be opened. `false`: the fallback alone tells, as where a flag has switched streams off. */
  stream?: boolean;
  /**
   * Share one stream among all tabs of this browser that give the same name. Name *who* it is that sees: user and org,
   * such as `"usr_1/org_1"`, because every tab is told what the one that leads may see. Where the browser has no Web
   * Locks (pages that came over plain http), each tab has a stream of its own.
   */
  share?: string | null;
  /**
   * Which keys of a scope an event names, where its payload does not say. By default those of the payload. A
   * subscription is given every event that does not contradict its scope by a key that the event names.
   */
  scopeOf?: (event: StreamEvent) => Readonly<Record<string, unknown>>;
}

export type Auth =
  /** The session cookie, with the browser's EventSource. */
  | { cookie: true }
  /**
   * A bearer token, in the Authorization header of a fetched stream. A function is asked for the first, for another
   * before `expiresAt` (the stream is replaced without a gap), and once more when one is refused.
   */
  | { token: string | (() => Promise<string | Token>) }
  /**
   * Single-use tickets in the URL of an EventSource. `true` orders them from `POST /v1/stream/tickets` with the cookie.
   * After the first the server's reconnect token is used, a fresh ticket only where that fails.
   */
  | { ticket: true | (() => Promise<string | { ticket: string }>) };

export interface Token {
  token: string;
  /** When it ends: ISO 8601, a Date or milliseconds. */
  expiresAt?: string | number | Date | null;
}

export interface Fallback {
  /** The rest between two polls, in milliseconds; 2000. */
  every?: number;
  /**
   * The page's own way to look, in place of the polling twin. It may return a page in the twin's form, or nothing: then
   * it has shown by itself what there is, and the stream goes on later from where it was.
   */
  poll?: (cursor: string | null) => Promise<Page | void>;
  /** The state, asked for when the cursor has expired while polling; the events are told with `news: false`. */
  snapshot?: () => Promise<ReadonlyArray<{ type: string; data: unknown }> | void>;
}

export interface Page {
  events: ReadonlyArray<{ id?: string | null; event: string; data: unknown }>;
  cursor: string;
  hasMore: boolean;
}

export interface Hub {
  /** How the stream is doing: a frozen record that is replaced as a whole. */
  readonly health: Health;
  /** Be told of each change of `health`. Return what ends it. */
  onHealth(listener: (health: Health, before: Health) => void): () => void;
  /**
   * Be told that what the page holds of this feed is void. The state follows as events with `news: false`, where the
   * feed has one, then each subscription's `onFresh`.
   */
  onReset(listener: (reason: string) => void): () => void;
  /**
   * Be told of events of these types: one, several, or patterns (`"section.*"`, `"*"`) among `types`. Each event once,
   * in the log's order. Subscriptions of a hub share one stream, which carries the union of their types and what their
   * scopes have in common; it is replaced beside the old one, without a gap, 0.1 s after the union has changed.
   *
   * `onFresh` says: read your state now; nothing that happens from here on will be missed. It is called when the
   * subscription is first carried, and whenever the stream could not go on where it was.
   */
  subscribe<Data = unknown>(types: string | readonly string[], listener: Listener<Data>, options?: SubscribeOptions): () => void;
  subscribe<Data = unknown>(
    types: string | readonly string[],
    scope: Scope,
    listener: Listener<Data>,
    options?: SubscribeOptions,
  ): () => void;
  /** Begin, or go on where `stop()` ended. */
  start(): void;
  /** Open a stream from now on, or poll only, from where it stands. Of tabs that share a stream, the leader decides. */
  useStream(on: boolean): void;
  /** Close everything. `health.stopped` says the reason. */
  stop(reason?: string): void;
}

/** The parameters that narrow a feed, such as `projectId`, `documentId`, `sectionId`; together they mean "and". */
export type Scope = Readonly<Record<string, string | number | null | undefined>>;

export type Listener<Data = unknown> = (event: StreamEvent<Data>) => void;

export interface SubscribeOptions {
  onFresh?: () => void;
}

export interface StreamEvent<Data = unknown> {
  /** Its cursor; null where it has none: events of the state, and what is not in the log. */
  readonly id: string | null;
  readonly type: string;
  readonly data: Data;
  /** False for what says how things are rather than that something has happened: nobody is to be notified of it. */
  readonly news: boolean;
  /** When it came here. */
  readonly at: number;
}

export interface Health {
  /**
   * `healthy`: the stream is open, or nobody wants one. `recovering`: it is not, and is tried again. `degraded`: for 5 s, or 5 failures in a
   * row, or three streams that died within a second, or where no stream is to be opened; the fallback polls if there
   * is a network.
   */
  readonly status: "healthy" | "recovering" | "degraded";
  /** When `status` last changed. */
  readonly since: number;
  /** When the stream was lost (at first: when the hub began); null while it is open, or none is to be. */
  readonly lostAt: number | null;
  /** When the last event came that was not part of a state. */
  readonly lastEventAt: number | null;
  readonly lastHeartbeatAt: number | null;
  /** The attempt under way or waited for, from 1; 0 while the stream is open, and for the very first. */
  readonly retryAttempt: number;
  /** When the next attempt is due; null while there is none to wait for. */
  readonly nextAttemptAt: number | null;
  readonly fallbackActive: boolean;
  /** The status with which the last attempt was refused; null where it was not, or nothing is known. */
  readonly refusal: number | null;
  /** Whether the machine has a network, as far as the browser knows. */
  readonly online: boolean;
  /** Whether this tab reads the stream for others, is told by another, or neither. */
  readonly role: "alone" | "leader" | "follower";
  /**
   * Why nothing is tried any more, null otherwise: what `stop()` was given, `unauthenticated`, `forbidden`, `not-found`,
   * or the reason of a `stream.closing` that is for good (`auth_revoked`, `superseded`).
   */
  readonly stopped: string | null;
}

/** Return the state in a few words that do not go stale: "Live", "Reconnecting", "Polling", "Offline" … */
export function healthPhrase(health: Health): string;

/** Return the same with its figures: "Reconnecting, attempt 3, next in 2 s". `every` is the polling period. */
export function healthWords(health: Health, at: { now: number; every?: number }): string;

/** Notifications of the system: with permission, a mute, and each tag once; all of it kept by this browser. */
export function createNotifier(options?: { key?: string }): Notifier;

export interface Notifier {
  readonly permission: NotificationPermission | "unsupported";
  /** Ask the person, from a click. */
  ask(): Promise<NotificationPermission | "unsupported">;
  /** Until when nothing is shown; null if it is. */
  readonly mutedUntil: number | null;
  mute(until: number): void;
  unmute(): void;
  /** Show it, unless muted, not permitted, shown before, or somebody is looking at the page. Return whether it was. */
  show(
    title: string,
    options: { tag: string; body?: string; evenIfVisible?: boolean; onClick?: (notification: Notification) => void },
  ): boolean;
}

/** Tell the server of fallbacks, degraded times, reconnects and latencies, in batches by `sendBeacon`. */
export function createTelemetry(options?: { url?: string }): Telemetry;

export interface Telemetry {
  /** Tell of this hub from now on. Return what ends it. */
  watch(hub: Hub): () => void;
  /** Tell how long an event took from commit to screen, in milliseconds. */
  latency(durationMs: number): void;
  /** Send what is waiting now. */
  flush(): void;
}
