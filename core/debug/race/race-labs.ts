/** The laboratories that come with the program: historic races of KVM's MMIO path (docs/race-lab.md tells their stories). */

export interface RaceLab {
  readonly name: string;
  readonly script: string;
}

const lab = (name: string, script: string): RaceLab => ({ name, script: `${script.trim()}\n` });

export const RACE_LABS: readonly RaceLab[] = [
  lab(
    'stale-cache',
    `
title The stale MMIO cache (56f17dd3fbc4, fixed in 3.17)
strikes stale-mmio-cache in patch v3.11

vcpu 0 read 0x80000000          # a hole: an MMIO spte is made, and the vCPU remembers the frame
expect vcpu 0 mmio
slot 1 gpa=0x80000000 size=64K ram=0x10000
vcpu 0 read 0x80000000          # the cache is asked first, and it knows no generation
expect vcpu 0 mmio in patch v3.11
expect vcpu 0 ram in v3.10 v3.17 v6.8
`,
  ),
  lab(
    'corrupt-spte',
    `
title The corrupt MMIO cache (ee3d1570b586, fixed in 3.17)
vcpus 2
strikes corrupt-mmio-spte in patch v3.11

vcpu 0 read 0x80000000 hold lookup        # finds no slot in the old table …
begin slot 1 gpa=0x80000000 size=64K ram=0x10000
step installed                            # … and the new table has its generation at once
release 0                                 # so the spte that vCPU 0 writes carries it
finish
vcpu 1 read 0x80000000                    # for good: the slot is there, the spte is fresh
expect vcpu 1 mmio in patch v3.11
expect vcpu 1 ram in v3.10 v3.17 v6.8
`,
  ),
  lab(
    'bug-exit',
    `
title The BUG exit: a direct spte that is neither MMIO nor empty (until 4.3)
vcpus 3
strikes mmio-pf-bug in v3.10 patch v3.11 v3.17

vcpu 1 read 0x80000000                    # the MMIO spte
begin slot 1 gpa=0x80000000 size=64K ram=0x10000
step installed
vcpu 0 read 0x80000000 hold exit          # the processor has met the old spte; KVM has looked at nothing yet
finish
vcpu 2 write 0x80000000 7                 # repairs it first: RAM is mapped there now
release 0                                 # vCPU 0 walks the table, and finds an spte that should not have faulted
expect vcpu 0 stopped in v3.10 patch v3.11 v3.17
expect vcpu 0 ram in v6.8
`,
  ),
  lab(
    'wrap-after-publishing',
    `
title The wrap-around is handled after publishing (152482580a1b, fixed in 5.1)
vcpus 2
strikes wrap-after-publishing in v3.17

generation 0
vcpu 1 read 0x80000000                    # an spte of the first generation there is
generation before-wrap                    # … half a million changes later it is still there
begin slot 1 gpa=0x80000000 size=64K ram=0x10000
step settled                              # the generation is that one again
vcpu 0 read 0x80000000
expect vcpu 0 mmio in v3.10 v3.17
expect vcpu 0 ram in patch v3.11 v6.8
finish                                    # only now v3.17 zaps
vcpu 1 read 0x80000000
expect vcpu 1 ram in v3.10 v3.17 v6.8
`,
  ),
  lab(
    'invalid-slot',
    `
title A fault between the INVALID install and the last one
vcpus 2

slot 1 gpa=0x80000000 size=64K ram=0x10000
vcpu 0 write 0x80000000 42
begin delete 1
step flushed                              # the slot is there, marked INVALID; its pages are zapped
vcpu 1 read 0x80000000
expect vcpu 1 mmio in v3.10 patch v3.11 v3.17   # MMIO already, with the generation of the moment
expect vcpu 1 again in v6.8               # no MMIO while the slot is on its way out: it waits
finish
vcpu 0 read 0x80000000
vcpu 1 read 0x80000000
expect vcpu 0 mmio
expect vcpu 1 mmio
`,
  ),
  lab(
    'resynced-spte',
    `
title A stale MMIO spte is marked afresh when its guest table is synced (sync_mmio_spte)
mmu shadow
paging 32-bit
strikes resynced-mmio-spte in patch v3.11 v3.17 v6.8

vcpu 0 read 0x80000000          # a hole: an MMIO spte for the linear address
expect vcpu 0 mmio
vcpu 0 write 0xe004 0x80001067  # the guest writes to its page table: KVM lets it be out of sync
slot 1 gpa=0x80000000 size=64K ram=0x10000
vcpu 0 flush                    # CR3 again: the table is synced, and nobody asks the memslots
vcpu 0 read 0x80000000          # fresh, and wrong
expect vcpu 0 mmio in patch v3.11 v3.17 v6.8
expect vcpu 0 ram in v3.10
`,
  ),
];

export const findRaceLab = (name: string): RaceLab | undefined => RACE_LABS.find((known) => known.name === name);
