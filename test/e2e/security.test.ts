/**
 * Electron's security checklist, all twenty items, asked of the running window. The numbers are those of the checklist
 * (electron/electron, docs/tutorial/security.md).
 */
import { readFile } from 'node:fs/promises';
import type { WebPreferences } from 'electron';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UmbraDesktop } from '../../core/protocol/desktop.ts';
import { inProject } from '../../scripts/project-root.mjs';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';

declare global {
  interface Window {
    readonly umbra: UmbraDesktop;
  }
}

let umbra: LaunchedUmbra;
beforeAll(async () => {
  umbra = await launchUmbra();
  await umbra.page.waitForLoadState('load');
});
afterAll(() => umbra.close());

/** The preferences that the window really runs with. Electron has a method for it that its declarations do not mention. */
const preferences = (): Promise<WebPreferences> =>
  umbra.app.evaluate(({ webContents }) => {
    const [contents] = webContents.getAllWebContents();
    return Reflect.apply(Reflect.get(contents, 'getLastWebPreferences'), contents, []);
  });

describe('what the page is made of', () => {
  it('1: nothing comes from elsewhere', async () => {
    const sources: string[] = [];
    umbra.page.on('request', (request) => sources.push(request.url()));
    await umbra.page.reload();
    expect(sources).toContain('app://umbra/index.html');
    expect(sources.filter((source) => !source.startsWith('app://umbra/') && !source.startsWith('data:'))).toEqual([]);
  });

  it('18: it is served by our own protocol, which gives nothing from outside the page', async () => {
    expect(await umbra.page.evaluate(() => window.location.origin)).toBe('app://umbra');
    const status = await umbra.page.evaluate(async () => (await fetch('/..%2f..%2fpackage.json')).status);
    expect(status).toBe(403);
    const file = await umbra.page.evaluate(() =>
      fetch('file:///etc/hostname').then(
        () => 'read',
        () => 'refused',
      ),
    );
    expect(file).toBe('refused');
  });

  it('7: every answer carries the policy, and the policy holds', async () => {
    const policy = await umbra.page.evaluate(async () =>
      (await fetch('/index.html')).headers.get('content-security-policy'),
    );
    expect(policy).toMatch(/^default-src 'none'; script-src 'self';/);

    // In a later task, where the inspector's own exemption from the policy is over.
    const attempts = await umbra.page.evaluate(
      () =>
        new Promise((resolve) => {
          setTimeout(() => {
            const script = document.createElement('script');
            script.textContent = 'document.documentElement.dataset.inline = "ran"';
            document.head.append(script);
            let evaluated = 'ran';
            try {
              Reflect.apply(Reflect.get(globalThis, 'eval'), undefined, ['1']);
            } catch {
              evaluated = 'refused';
            }
            resolve({ inline: document.documentElement.dataset['inline'] ?? 'refused', evaluated });
          }, 0);
        }),
    );
    expect(attempts).toEqual({ inline: 'refused', evaluated: 'refused' });
  });
});

describe('how the page is locked in', () => {
  it.each([
    ['2: no Node in pages', 'nodeIntegration', false],
    ['2: no Node in workers', 'nodeIntegrationInWorker', false],
    ['2: no Node in frames', 'nodeIntegrationInSubFrames', false],
    ['3: a world of its own for the preload', 'contextIsolation', true],
    ['4: a sandboxed process', 'sandbox', true],
    ['6: web security', 'webSecurity', true],
    ['8: no insecure content', 'allowRunningInsecureContent', false],
    ['9: no experimental features', 'experimentalFeatures', false],
    ['11: no webview tag', 'webviewTag', false],
  ] as const)('%s', async (_item, preference, expected) => {
    // Electron leaves some out that are false.
    expect((await preferences())[preference] ?? false).toBe(expected);
  });

  it('10: no Blink features are switched on', async () => {
    expect((await preferences()).enableBlinkFeatures ?? '').toBe('');
  });

  it('2: the page has neither require nor process', async () => {
    expect(
      await umbra.page.evaluate(() => [typeof Reflect.get(window, 'require'), typeof Reflect.get(window, 'process')]),
    ).toEqual(['undefined', 'undefined']);
  });

  it('12: a webview does not attach', async () => {
    const attached = await umbra.page.evaluate(() => {
      const view = document.createElement('webview');
      view.setAttribute('src', 'https://example.com');
      document.body.append(view);
      const isWebview = 'getWebContentsId' in view;
      view.remove();
      return isWebview;
    });
    expect(attached).toBe(false);
    expect(await umbra.app.evaluate(({ webContents }) => webContents.getAllWebContents().length)).toBe(1);
  });

  it('5: permissions are refused', async () => {
    const answers = await umbra.page.evaluate(async () => ({
      notifications: await Notification.requestPermission(),
      geolocation: await new Promise((resolve) =>
        navigator.geolocation.getCurrentPosition(
          () => resolve('granted'),
          () => resolve('denied'),
        ),
      ),
      clipboard: await navigator.clipboard.readText().then(
        () => 'granted',
        () => 'denied',
      ),
      camera: await navigator.mediaDevices.getUserMedia({ video: true }).then(
        () => 'granted',
        () => 'denied',
      ),
    }));
    expect(answers).toEqual({ notifications: 'denied', geolocation: 'denied', clipboard: 'denied', camera: 'denied' });
  });
});

describe('where the page may go', () => {
  /** Links that reach the user's browser while something is done; the browser itself is not started. */
  const linksOpenedBy = async (action: () => Promise<unknown>): Promise<string[]> => {
    await umbra.app.evaluate(({ shell }) => {
      const opened: string[] = [];
      Object.assign(globalThis, { openedLinks: opened });
      shell.openExternal = async (link) => void opened.push(link);
    });
    await action();
    return umbra.app.evaluate(() => Reflect.get(globalThis, 'openedLinks'));
  };

  it.each(['https://example.com/', 'file:///etc/passwd', 'data:text/html,gone', 'app://elsewhere/index.html'])(
    '13: it does not navigate to %s',
    async (address) => {
      const before = umbra.page.url();
      await umbra.page.evaluate((target) => {
        window.location.href = target;
      }, address);
      await umbra.page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
      expect(umbra.page.url()).toBe(before);
    },
  );

  it('14 and 15: a new window is refused, and what it wanted is not opened elsewhere either', async () => {
    const links = await linksOpenedBy(async () => {
      const opened = await umbra.page.evaluate(() => window.open('https://example.com/') === null);
      expect(opened).toBe(true);
      await umbra.page.evaluate(() => void window.open('file:///etc/passwd'));
    });
    expect(links).toEqual([]);
    expect(await umbra.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length)).toBe(1);
  });

  it('15: a page of the documentation goes to the browser', async () => {
    const manual = 'https://docs.kernel.org/virt/kvm/api.html';
    const links = await linksOpenedBy(() => umbra.page.evaluate((link) => void window.open(link), manual));
    expect(links).toEqual([manual]);
  });
});

describe('what the page can say to the program', () => {
  it('20: verbs and nothing else', async () => {
    const face = await umbra.page.evaluate(() => ({
      members: Object.keys(window.umbra).toSorted(),
      canReplace: Reflect.set(window, 'umbra', {}) && Object.keys(window.umbra).length === 0,
      canExtend: Reflect.set(window.umbra, 'send', () => undefined),
    }));
    expect(face).toEqual({
      members: [
        'cancelCost',
        'cancelState',
        'chooseImage',
        'connectEngine',
        'copyText',
        'costState',
        'forgetRecent',
        'guestNames',
        'keepSession',
        'onEvent',
        'onMenu',
        'openFile',
        'openStartupFile',
        'openTrace',
        'platform',
        'presentMachine',
        'readGuest',
        'recentFiles',
        'recoverSession',
        'request',
        'saveExport',
        'saveState',
        'saveWorkspace',
        'setMenu',
        'setTheme',
        'startCost',
        'startupImage',
        'stateProgress',
        'theme',
      ],
      canReplace: false,
      canExtend: false,
    });
  });

  it('17: another page is not answered, even with our own preload', async () => {
    const answer = await umbra.app.evaluate(
      async ({ BrowserWindow }, preload) => {
        const stranger = new BrowserWindow({
          show: false,
          webPreferences: { preload, sandbox: true, contextIsolation: true },
        });
        try {
          await stranger.loadURL('data:text/html,stranger');
          return await stranger.webContents.executeJavaScript(
            `umbra.request('machine.status', {}).then(() => 'answered', (error) => error.message)`,
          );
        } finally {
          stranger.destroy();
        }
      },
      inProject('out', 'preload', 'index.cjs'),
    );
    expect(answer).toContain('refused: not our page');
  });

  it.each([
    ['a request that does not exist', 'machine.explode', {}],
    ['a name that every object has', 'constructor', {}],
  ])('17: %s is refused', async (_what, name, params) => {
    const answer = await umbra.page.evaluate(
      ([request, value]) =>
        (window.umbra.request as (name: string, params: object) => Promise<unknown>)(request, value).then(
          () => 'answered',
          (error: Error) => error.message,
        ),
      [name, params] as const,
    );
    expect(answer).toContain('refused: no such request');
  });

  it('17: wrong parameters come back as an answer that says what is wrong', async () => {
    const answer = await umbra.page.evaluate(() => window.umbra.request('run.step', { vcpu: -1 }));
    expect(answer).toMatchObject({
      ok: false,
      error: { code: 'bad-request', message: expect.stringContaining('run.step: vcpu') },
    });
  });
});

describe('what it is built with', () => {
  it('16: one exact version of Electron', async () => {
    const manifest = JSON.parse(await readFile(inProject('package.json'), 'utf8'));
    expect(manifest.devDependencies.electron).toMatch(/^\d+\.\d+\.\d+$/);
  });
});
