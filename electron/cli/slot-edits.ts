/** --slots SCRIPT: memslot calls on a machine that runs, each at its instruction count. */
import { MAX_SCRIPT_BYTES, parseSlotScript, type SlotStep } from '../../core/format/slot-script.ts';
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
    return memslot === undefined ? error.message : `${memslot.errno} (${memslot.check}): ${memslot.message}`;
  }
}

function changeText(engine: EngineSession, region: Parameters<typeof setRegion>[1]): string {
  const report = setRegion(engine, region);
  const { change, generationBefore, generationAfter, mmioSptesGoneStale, pagesZapped } = report;
  return (
    `${change}, memslots generation ${generationBefore} → ${generationAfter}, ` +
    `${mmioSptesGoneStale} MMIO sptes gone stale, ${pagesZapped} shadow pages zapped`
  );
}

const setRegion = (
  engine: EngineSession,
  region: {
    readonly slot: number;
    readonly flags: number;
    readonly guestPhysAddr: bigint;
    readonly memorySize: bigint;
    readonly userspaceAddr: bigint;
  },
) => engine.ask('memslots.set', { region });

function bitsIn(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
