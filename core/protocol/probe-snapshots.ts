/** What the contract carries of the probes: a walk and a reverse map, each with its moment. */
import type { AddressWalk } from '../base/address-walk.ts';
import type { ReverseMap } from '../base/reverse-map.ts';
import type { Moment } from './snapshots.ts';

export type * from '../base/address-walk.ts';
export type * from '../base/reverse-map.ts';

export interface WalkSnapshot {
  readonly moment: Moment;
  readonly walk: AddressWalk;
}

export interface ReverseMapSnapshot {
  readonly moment: Moment;
  readonly rmap: ReverseMap;
}
