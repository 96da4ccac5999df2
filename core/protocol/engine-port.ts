/**
 * The page's line to the engine: a message port over which everything that the page asks in one turn of its loop goes as one
 * message and comes back as one. Beside `UmbraDesktop.request` it spares the copy through the preload's world, which costs
 * more than all the rest of a request's way, and the panels of a window get their answers together, so that one frame shows
 * them all.
 */
import * as v from 'valibot';
import type { Answer, RequestName } from './requests.ts';

/** Of one message; whoever has more sends several. */
export const MAX_QUESTIONS = 256;

/** What the page sends. Names and parameters are judged one by one, as those of the channels are. */
export const portQuestionsSchema = v.pipe(
  v.array(v.strictObject({ id: v.pipe(v.number(), v.integer()), name: v.unknown(), params: v.unknown() })),
  v.maxLength(MAX_QUESTIONS),
);
export type PortQuestion = v.InferOutput<typeof portQuestionsSchema>[number];

/** Refused: nothing that exists was asked for, so there is no answer to give. */
export type PortAnswer =
  { readonly id: number; readonly answer: Answer<RequestName> } | { readonly id: number; readonly refused: string };

/** By this the page knows the message that brings it the port. */
export const PORT_GREETING = 'umbra:engine-port';
