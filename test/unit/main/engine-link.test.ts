import { describe, expect, it } from 'vitest';
import type { EngineEvent } from '../../../core/protocol/events.ts';
import type { RunState } from '../../../core/protocol/snapshots.ts';
import { withoutBeats } from '../../../electron/main/engine-link.ts';

const status = (state: RunState): EngineEvent => ({ kind: 'status', status: { state } as never });
const serial: EngineEvent = { kind: 'serial', bytes: Uint8Array.of(65), at: 0 };

describe('what the page is told unasked', () => {
  it('is that the machine runs, once, and where it stands when it stops', () => {
    const heard: EngineEvent[] = [];
    const tell = withoutBeats((event) => heard.push(event));
    const running = status('running');
    const events = [status('paused'), running, status('running'), serial, status('running'), status('halted'), running];
    for (const event of events) tell(event);
    expect(heard).toEqual([status('paused'), running, serial, status('halted'), running]);
  });

  it('is every stop, also when one follows another', () => {
    const heard: EngineEvent[] = [];
    const tell = withoutBeats((event) => heard.push(event));
    for (const event of [status('paused'), status('paused'), status('paused')]) tell(event);
    expect(heard).toHaveLength(3);
  });
});
