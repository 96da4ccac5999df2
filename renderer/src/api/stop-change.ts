/** When a stop becomes the one that the next is compared with. */
import type { Moment } from '@core/protocol/index.ts';

/** Whether the guest has gone on since `last`: an edit of the user's is a new moment too, but no new stop. */
export const isLeft = (last: Moment, next: Moment): boolean => !last.live && (next.live || next.insns !== last.insns);
