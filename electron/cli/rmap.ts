/** `umbra rmap IMAGE GFN…`: what KVM knows of guest frames, and every spte that maps them. */
import type { Command } from 'commander';
import { parseSize } from '../../core/format/address-text.ts';
import { reverseMapLines } from '../../core/format/reverse-map-text.ts';
import { offer, type CliIo } from './cli-io.ts';
import { CliFailure, STATUS_OK } from './exit-status.ts';
import { guestPointOptions, holdGuest, type GuestPointOptions } from './guest-point.ts';
import { toJson } from './run-summary.ts';

const MAX_GFN = 2n ** 40n - 1n;

export function registerRmap(program: Command, io: CliIo, finish: (status: number) => void): void {
  guestPointOptions(
    program
      .command('rmap')
      .summary('what maps a guest frame: memslot, sptes, dirty and write-protect state')
      .description(
        'Runs a guest to a point and asks for guest frames: the memslot and the host memory behind them, every spte that\n' +
          'the reverse maps name with the shadow page it stands in, MMIO sptes, the dirty bit, why a frame may not be\n' +
          'written or mapped large. Looking changes nothing.',
      )
      .argument('<image>', 'as for: umbra run')
      .argument('<gfn...>', 'guest frame numbers, like 0xfee00'),
  ).action((image: string, gfns: readonly string[], options: GuestPointOptions) => {
    finish(rmap(image, gfns, options, io));
  });
}

function rmap(image: string, texts: readonly string[], options: GuestPointOptions, io: CliIo): number {
  const gfns = texts.map(parseGfn);
  const { engine } = holdGuest(image, options, io);
  const blocks = gfns.map((gfn) => {
    const reply = engine.ask('rmap.read', { gfn });
    return options.json ? toJson(reply) : reverseMapLines(reply.rmap).join('\n');
  });
  offer(io, `${blocks.join(options.json ? '\n' : '\n\n')}\n`);
  return STATUS_OK;
}

function parseGfn(text: string): number {
  const gfn = parseSize(text);
  if (gfn === undefined || gfn > MAX_GFN) throw new CliFailure(`${text} is no guest frame number of up to 40 bits.`);
  return Number(gfn);
}
