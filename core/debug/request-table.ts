/**
 * The shape of the table that answers requests: one function per name, typed by the contract. Each family of requests is a
 * module under requests/ and gives its part of the table.
 */
import type { ParsedParams, Reply, RequestName } from '../protocol/requests.ts';
import type { Handled } from './refusal.ts';
import type { Session } from './session.ts';

export type RequestHandler<K extends RequestName> = (session: Session, params: ParsedParams<K>) => Handled<Reply<K>>;
export type RequestTable = { readonly [K in RequestName]: RequestHandler<K> };
/** A family's part of the table. */
export type RequestFamily<Names extends RequestName> = Pick<RequestTable, Names>;
