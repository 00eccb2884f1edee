export { run, type Claims } from "./claims.js";
export type { AnyClient, DrizzleLike, PgLike, PostgresLike } from "./clients.js";
export {
  explain,
  points,
  status,
  ticket,
  tickets,
  wait,
  type Effect,
  type Explained,
  type Point,
  type Status,
  type Ticket,
  type Waiting,
} from "./door.js";
export {
  BackstopError,
  Blocked,
  decode,
  Denied,
  Expired,
  Held,
  NotRecoverable,
  Paused,
  Uncertain,
  type Facts,
  type Retry,
  type State,
} from "./errors.js";
export { retryOnApproval, type Retrying } from "./retry.js";
