export * from './client.ts';
export * from './console.ts';
export * from './desktop.ts';
export * from './events.ts';
export type * from './probe-snapshots.ts';
export * from './requests.ts';
export * from './snapshots.ts';
export { TRACEPOINTS } from '../base/tracepoints.ts';
export * from './version.ts';
