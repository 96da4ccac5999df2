/** `umbra walk IMAGE ADDRESS`: one address through the guest's page tables and the hardware's, side by side. */
import { Option, type Command } from 'commander';
import type { AccessKind } from '../../core/base/machine-modes.ts';
import { parseSize } from '../../core/format/address-text.ts';
import { walkLines } from '../../core/format/walk-text.ts';
import { offer, type CliIo } from './cli-io.ts';
import type { EngineSession } from './engine-session.ts';
import { CliFailure, STATUS_OK } from './exit-status.ts';
import { guestPointOptions, holdGuest, type GuestPointOptions } from './guest-point.ts';
import { toJson } from './run-summary.ts';

interface WalkOptions extends GuestPointOptions {
  readonly access: 'r' | 'w' | 'x';
  readonly user: boolean | undefined;
  readonly supervisor: boolean | undefined;
  readonly gpa: boolean;
}

const ACCESSES: Readonly<Record<WalkOptions['access'], AccessKind>> = { r: 'read', w: 'write', x: 'fetch' };

export function registerWalk(program: Command, io: CliIo, finish: (status: number) => void): void {
  guestPointOptions(
    program
      .command('walk')
      .summary('walk an address through the page tables of a guest and of KVM')
      .description(
        'Runs a guest to a point and walks one address as the processor and KVM would: the guest page tables on the left,\n' +
          'EPT, NPT or the shadow page table on the right, every entry decoded, the rule that fails with its source, and what\n' +
          'the access comes to. Looking changes nothing.',
      )
      .argument('<image>', 'as for: umbra run')
      .argument('<address>', 'a linear address (0xfeb00000) or a symbol; with --gpa a guest physical address'),
  )
    .addOption(new Option('--access <kind>', 'what kind of access').choices(['r', 'w', 'x']).default('r'))
    .option('--user', "as CPL 3 (default: the vCPU's privilege at that point)")
    .option('--supervisor', 'as CPL 0')
    .option('--gpa', 'the address is a guest physical one: no guest tables', false)
    .action((image: string, address: string, options: WalkOptions) => {
      finish(walk(image, address, options, io));
    });
}

function walk(image: string, text: string, options: WalkOptions, io: CliIo): number {
  if (options.user === true && options.supervisor === true) {
    throw new CliFailure('an access is made as user or as supervisor, not both: leave one of the two out.');
  }
  const { engine } = holdGuest(image, options, io);
  const reply = engine.ask('walk.read', {
    vcpu: options.vcpu,
    space: options.gpa ? 'gpa' : 'gva',
    address: addressOf(engine, text, options.gpa),
    access: ACCESSES[options.access],
    user: options.user === true ? true : options.supervisor === true ? false : undefined,
  });
  const lines = options.json ? [toJson(reply)] : walkLines(reply.walk);
  for (const line of lines) offer(io, `${line}\n`);
  return STATUS_OK;
}

/** A number, or the address of a symbol of the image. */
function addressOf(engine: EngineSession, text: string, isGpa: boolean): bigint {
  if (/^[0-9]/.test(text)) {
    const value = parseSize(text);
    if (value !== undefined) return value;
  } else if (!isGpa) {
    const symbol = engine.ask('symbols.search', { query: text, limit: 200 }).find(({ name }) => name === text);
    if (symbol !== undefined) return symbol.address;
  }
  throw new CliFailure(`${text} is neither an address (like 0xfeb00000) nor a symbol of the image.`);
}
