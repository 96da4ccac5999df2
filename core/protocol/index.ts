export * from './client.ts';
export * from './desktop.ts';
export * from './events.ts';
export * from './requests.ts';
export * from './snapshots.ts';
export * from './version.ts';
