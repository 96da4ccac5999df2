/** What a run is for, beside running: where it ends although no breakpoint says so. */

export type RunGoal =
  /** Until a breakpoint, the end or a pause. */
  | { readonly kind: 'free' }
  /** Until an address is reached. */
  | { readonly kind: 'to'; readonly vcpu: number; readonly address: bigint }
  /**
   * Until the instruction after a call is reached in the frame that called: a recursion passes the address with a lower stack pointer.
   */
  | { readonly kind: 'over'; readonly vcpu: number; readonly address: bigint; readonly stackPointer: bigint }
  /** Until the function that had this stack pointer has returned. `over` is set while a call that it makes runs freely. */
  | {
      readonly kind: 'out';
      readonly vcpu: number;
      readonly stackPointer: bigint;
      readonly over: { readonly address: bigint; readonly stackPointer: bigint } | undefined;
    }
  /** Until the vCPU has retired so many instructions; the others go on in their turns meanwhile. */
  | { readonly kind: 'count'; readonly vcpu: number; readonly until: number };

export const FREE: RunGoal = { kind: 'free' };

/** The address at which the processor must stop for the goal's sake. */
export function goalAddress(goal: RunGoal): bigint | undefined {
  switch (goal.kind) {
    case 'to':
    case 'over':
      return goal.address;
    case 'out':
      return goal.over?.address;
    default:
      return undefined;
  }
}
