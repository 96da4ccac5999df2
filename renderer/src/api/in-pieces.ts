/**
 * Asks again for as long as the engine answers that it is not done yet. Between two pieces it serves everybody else; who
 * has asked for something else meanwhile gets nothing, and the engine drops what it had begun.
 */
import type { Answer, Reply, RequestName } from '@core/protocol/index.ts';

type PiecedRequest = { [K in RequestName]: Reply<K> extends { readonly isPending: boolean } ? K : never }[RequestName];

/** @param isWanted whether the answer is of any use yet */
export async function inPieces<K extends PiecedRequest>(
  ask: () => Promise<Answer<K>>,
  isWanted: () => boolean = () => true,
): Promise<Answer<K>> {
  for (;;) {
    const answer = await ask();
    if (!answer.ok || !answer.value.isPending || !isWanted()) return answer;
  }
}
