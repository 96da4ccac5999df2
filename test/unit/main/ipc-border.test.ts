import { describe, expect, it, vi } from 'vitest';
import { DESKTOP_SCHEMAS } from '../../../core/protocol/desktop.ts';
import { MAX_IMAGE_BYTES, REQUEST_SCHEMAS } from '../../../core/protocol/requests.ts';
import { judgeMessage } from '../../../electron/main/ipc-border.ts';

// The border listens through Electron, which is not there in a unit test; what it judges needs nothing of it.
vi.mock('electron', () => ({ ipcMain: {} }));

const page = { address: 'app://umbra/index.html', isMainFrame: true };
const isOwn = (address: string): boolean => address.startsWith('app://umbra/');

const judge = (name: unknown, params: unknown, sender: Parameters<typeof judgeMessage>[2] = page) =>
  judgeMessage(REQUEST_SCHEMAS, isOwn, sender, name, params);

describe('a message at the border', () => {
  it('passes with its defaults filled in', () => {
    expect(judge('run.step', { vcpu: 0 })).toEqual({ kind: 'accepted', params: { vcpu: 0, count: 1 } });
  });

  it.each([
    ['a frame inside the page', { address: 'app://umbra/index.html', isMainFrame: false }],
    ['another page', { address: 'https://evil.example/', isMainFrame: true }],
    ['a frame that is gone', undefined],
  ])('is refused from %s', (_who, sender) => {
    expect(judgeMessage(REQUEST_SCHEMAS, isOwn, sender, 'machine.status', {}).kind).toBe('refused');
  });

  it.each([
    'machine.explode',
    '__proto__',
    'constructor',
    'toString',
    42,
    undefined,
    { toString: () => 'machine.status' },
  ])('is refused when it asks for %s', (name) => {
    expect(judge(name, {})).toEqual({ kind: 'refused', message: 'no such request' });
  });

  it.each<[string, unknown]>([
    ['run.step', { vcpu: -1 }],
    ['run.step', { vcpu: 0.5 }],
    ['run.step', { vcpu: 0, extra: true }],
    ['run.step', 'vcpu 0'],
    ['run.step', undefined],
    ['run.to', { vcpu: 0, address: 1n << 64n }],
    ['memory.read', { space: 'gpa', vcpu: 0, address: 0n, length: 1 << 30 }],
    ['memory.read', { space: 'disk', vcpu: 0, address: 0n, length: 1 }],
    ['machine.create', { image: new Uint8Array(MAX_IMAGE_BYTES + 1), name: 'big', options: {} }],
    ['machine.create', { image: 'bytes', name: 'text', options: {} }],
  ])('is sent back when %s gets wrong parameters', (name, params) => {
    const verdict = judge(name, params);
    expect(verdict).toMatchObject({ kind: 'malformed', message: expect.stringContaining(name) });
  });

  it.each(['../secret', 'a/b', 'A', '', 'x'.repeat(65)])('does not take %j for the name of a guest', (name) => {
    expect(judgeMessage(DESKTOP_SCHEMAS, isOwn, page, 'guest.read', { name }).kind).toBe('malformed');
  });
});
