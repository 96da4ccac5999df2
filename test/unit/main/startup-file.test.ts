import { describe, expect, it } from 'vitest';
import { StartupFile } from '../../../electron/main/startup-file.ts';

describe('the file that the program is started with', () => {
  it('is the demo guest where there is none', async () => {
    const startup = new StartupFile(undefined);
    expect(await startup.readImage()).toMatchObject({ ok: true, value: { name: 'poller' } });
    expect(startup.take()).toBeUndefined();
  });

  it('makes the first machine where it is an image', async () => {
    const startup = new StartupFile('/nowhere/kernel.elf');
    expect(await startup.readImage()).toEqual({
      ok: false,
      message: '/nowhere/kernel.elf cannot be read: there is no such file.',
    });
    expect(startup.take()).toBeUndefined();
  });

  it.each(['/handed out/week 3.umbra-workspace', '/handed out/here.umbra-machine'])(
    'is opened once, over the demo guest, where it is %s',
    async (file) => {
      const startup = new StartupFile(file);
      expect(await startup.readImage()).toMatchObject({ ok: true, value: { name: 'poller' } });
      expect(startup.take()).toBe(file);
      expect(startup.take()).toBeUndefined();
    },
  );

  it('is another one when the program is started once more', () => {
    const startup = new StartupFile('/a.umbra-workspace');
    startup.name('/b.umbra-machine');
    expect(startup.take()).toBe('/b.umbra-machine');
    startup.name('/c.elf');
    expect(startup.take()).toBeUndefined();
  });
});
