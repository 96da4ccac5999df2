/** The guests that come with the program, in a sentence each: what somebody chooses by. Their arguments are in docs/guest-devices.md. */
export interface ShippedGuest {
  readonly does: string;
  /** Fewer vCPUs than these are of no use to it. */
  readonly vcpus: number;
}

export const SHIPPED_GUESTS: Readonly<Record<string, ShippedGuest>> = {
  hello: {
    does: 'Greets on the serial line and the screen, says what machine it finds itself in, and exits.',
    vcpus: 1,
  },
  poller: {
    does: 'Polls one page, gpa 0xe0000000, and says when it turns from MMIO into RAM and back. The demo, and the guest of the tour.',
    vcpus: 1,
  },
  storm: {
    does: 'Touches a thousand pages that no memslot covers, again and again: an MMIO spte for each. pages= and passes= make it larger.',
    vcpus: 1,
  },
  faults: {
    does: 'Makes every kind of page fault on purpose, and holds error code and CR2 against what the manual says. mode=long, pae or 32.',
    vcpus: 1,
  },
  timer: {
    does: 'Waits in HLT for ticks of the 8254 and of the real-time clock, and holds one clock against the other.',
    vcpus: 1,
  },
  smp: {
    does: 'Several vCPUs at once on MMIO, RAM and shared words, as many as vcpus= says (2).',
    vcpus: 2,
  },
  spin: {
    does: 'A loop of arithmetic and memory accesses, to measure the processor with. n= turns.',
    vcpus: 1,
  },
};

/** @returns an empty text for what is none of them */
export const guestSentence = (name: string): string =>
  Object.hasOwn(SHIPPED_GUESTS, name) ? SHIPPED_GUESTS[name].does : '';
