/** --slots SCRIPT: memslot calls on a machine that runs, each at its instruction count. */
import { memslotReportText, refusalText } from '../../core/format/memslot-text.ts';
import { MAX_SCRIPT_BYTES, parseSlotScript, type SlotStep } from '../../core/format/slot-script.ts';
import type { UserMemoryRegion } from '../../core/protocol/snapshots.ts';
import { readBoundedText } from './bounded-file.ts';
import { RequestRefused, type EngineSession } from './engine-session.ts';
import { CliFailure } from './exit-status.ts';

/** @throws CliFailure with file, line and column of the first mistake */
export function readSlotEdits(file: string): readonly SlotStep[] {
  const steps = parseSlotScript(readBoundedText(file, MAX_SCRIPT_BYTES, 'a script'));
  if (steps.ok) return steps.value;
  const { line, column, message } = steps.error;
  throw new CliFailure(`${file}:${line}:${column}: ${message}`);
}

/** What came of a call, in words. A refusal is a result like another. */
export function applySlotEdit(engine: EngineSession, { action }: SlotStep): string {
  try {
    switch (action.kind) {
      case 'generation':
        engine.ask('generation.set', { memslotsGeneration: action.generation });
        return 'OK';
      case 'dirty-log': {
        const { bitmap } = engine.ask('memslots.dirtyLog', { slot: action.slot });
        return `OK, ${bitmap.reduce((sum, byte) => sum + bitsIn(byte), 0)} dirty pages`;
      }
      case 'set':
        return changeText(engine, action.region);
      case 'delete':
        return changeText(engine, {
          slot: action.slot,
          flags: 0,
          guestPhysAddr: 0n,
          memorySize: 0n,
          userspaceAddr: 0n,
        });
    }
  } catch (error) {
    if (!(error instanceof RequestRefused)) throw error;
    const { memslot } = error;
    return memslot === undefined ? error.message : refusalText(memslot);
  }
}

const changeText = (engine: EngineSession, region: UserMemoryRegion): string =>
  memslotReportText(engine.ask('memslots.set', { region }));

function bitsIn(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
