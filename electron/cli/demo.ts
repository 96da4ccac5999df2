/**
 * `umbra demo`: the session that the program exists for, without a window. A guest touches an address that is no memory;
 * its MMIO spte carries a generation; a memslot is put over the address; the spte is stale by that alone; the next access
 * finds it out and reaches RAM.
 */
import type { Command } from 'commander';
import { HVA_BASE } from '../../core/base/address.ts';
import { spteLines, spteOver } from '../../core/debug/run/stop-report.ts';
import { describeFault, generationText } from '../../core/format/stop-reason.ts';
import type { MachineStatus, MmioFaultPreview } from '../../core/protocol/snapshots.ts';
import type { CliIo } from './cli-io.ts';
import { EngineSession } from './engine-session.ts';
import { CliFailure, STATUS_FAILED, STATUS_MACHINE, STATUS_OK } from './exit-status.ts';
import { readImage } from './image-file.ts';
import { machineCreateOptions, machineOptions, type MachineRunOptions } from './machine-options.ts';

const GUEST = 'poller';
/** The slot that the demo makes; the machine's own are 0 and 1. */
const SLOT = 5;
const PAGE = 4096n;
/** Far more than the guest needs from one access to the next. */
const PATIENCE = 50_000_000;

export function registerDemo(program: Command, io: CliIo, finish: (status: number) => void): void {
  machineOptions(program.command('demo'))
    .summary('the session that Umbra exists for, without a window')
    .description(
      `Runs the guest "${GUEST}" to an MMIO fault, reads the generation in its spte, puts a memslot over the address,\n` +
        'shows the spte gone stale without having been touched, and follows the next access into RAM.',
    )
    .action(async (options: MachineRunOptions) => finish(await demo(options, io)));
}

async function demo(options: MachineRunOptions, io: CliIo): Promise<number> {
  const print = (line = ''): Promise<void> => io.write(`${line}\n`);
  let serial = '';
  const engine = new EngineSession((event) => {
    if (event.kind === 'serial') serial += new TextDecoder().decode(event.bytes);
  });
  const guestSays = async (): Promise<void> => {
    for (const line of serial.split('\n').filter(Boolean)) await print(`  guest: ${line}`);
    serial = '';
  };
  const image = readImage(GUEST);
  const created = engine.ask('machine.create', {
    image: image.bytes,
    name: image.name,
    options: machineCreateOptions(options),
  });
  await print(`1. ${GUEST}, ${options.mmu.toUpperCase()}, era ${options.era}; ${generationText(created)}`);

  // The first fault installs the spte; the one after it finds it there.
  const everywhere = { kind: 'mmio', start: 0n, length: 1n << 52n, access: 'any', freshness: 'any' } as const;
  const watch = engine.ask('breakpoints.add', { spec: { ...everywhere, outcomes: ['EMULATE', 'CACHED'] } });
  const first = expectFault(engine.runToStop(PATIENCE));
  await guestSays();
  await print(`2. Stopped before an ${describeFault(first.fault)}:`);
  for (const line of spteLines(engine.answer, first.status, first.fault.gpa)) await print(line);

  const gpa = first.fault.gpa & ~(PAGE - 1n);
  const region = { slot: SLOT, flags: 0, guestPhysAddr: gpa, memorySize: PAGE, userspaceAddr: spareHva(options.mem) };
  const report = engine.ask('memslots.set', { region });
  await print(
    `3. Slot ${SLOT} put over gpa 0x${gpa.toString(16)}: ${report.change}, memslots generation ` +
      `${report.generationBefore} → ${report.generationAfter}; ${report.mmioSptesGoneStale} MMIO sptes gone stale, ` +
      `${report.pagesZapped} shadow pages zapped (v3.10 would have walked ${report.pagesWalkedBefore})`,
  );
  const row = spteOver(engine.answer, gpa);
  await print(
    row === undefined
      ? '   The spte is gone: this era zaps instead of letting it go stale.'
      : `   The spte is 0x${row.value.toString(16)} as before${row.stale ? ': its generation is now stale' : ''}.`,
  );

  engine.ask('breakpoints.update', { id: watch.id, spec: { ...everywhere, outcomes: ['INVALID'] } });
  const second = engine.runToStop(first.status.moment.insns + PATIENCE);
  await guestSays();
  if (second.reason.kind === 'mmio-breakpoint') {
    await print(`4. Going on: ${describeFault(second.reason.fault)} — the generation gave it away.`);
  } else {
    await print('4. Going on: no stale spte was met.');
  }
  engine.ask('breakpoints.remove', { id: watch.id });
  engine.runToStop(second.moment.insns + 1_000_000);
  await guestSays();
  const now = spteOver(engine.answer, gpa);
  if (now === undefined || now.kind === 'mmio') {
    await print('5. The access did not reach RAM.');
    return STATUS_FAILED;
  }
  await print(`5. The access reached RAM: the spte is 0x${now.value.toString(16)} (${now.kind}, ${now.access}).`);
  return STATUS_OK;
}

function expectFault(status: MachineStatus): { readonly status: MachineStatus; readonly fault: MmioFaultPreview } {
  if (status.reason.kind === 'mmio-breakpoint') return { status, fault: status.reason.fault };
  throw new CliFailure(`the guest ${GUEST} came to no MMIO fault (it is ${status.state}).`, STATUS_MACHINE);
}

/** The last page of the guest's memory: a slot may alias it. */
const spareHva = (ramBytes: number): bigint => HVA_BASE + BigInt(ramBytes) - PAGE;
