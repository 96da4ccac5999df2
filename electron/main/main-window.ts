/** The one window: how it is locked in, and what happens when its page dies. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { BrowserWindow, app, dialog, screen } from 'electron';
import type { WebPreferences } from 'electron';
import type { PlatformInfo } from '../../core/protocol/desktop.ts';
import { PLATFORM_SWITCH } from '../../core/protocol/desktop-channels.ts';
import { APP_ORIGIN } from './app-origin.ts';
import { addPolicyToDevelopmentServer } from './browsing-policy.ts';
import { letGuestGoFirst } from './guest-first.ts';
import { readWindowBounds, writeWindowBounds } from './window-bounds.ts';

/** Said in full although most are defaults: `test/e2e/security.test.ts` reads them from the running window. */
const LOCKED_IN = {
  nodeIntegration: false,
  nodeIntegrationInWorker: false,
  nodeIntegrationInSubFrames: false,
  contextIsolation: true,
  sandbox: true,
  webSecurity: true,
  allowRunningInsecureContent: false,
  experimentalFeatures: false,
  webviewTag: false,
  navigateOnDragDrop: false,
  spellcheck: false,
} as const satisfies WebPreferences;

export function createMainWindow(devServer: URL | undefined): BrowserWindow {
  const boundsFile = path.join(app.getPath('userData'), 'window.json');
  const kept = readWindowBounds(
    boundsFile,
    screen.getAllDisplays().map(({ workArea }) => workArea),
  );
  const window = new BrowserWindow({
    title: 'Umbra',
    ...(kept?.bounds ?? { width: 1600, height: 1000 }),
    minWidth: 900,
    minHeight: 600,
    show: false,
    backgroundColor: '#14161b',
    webPreferences: {
      ...LOCKED_IN,
      devTools: !app.isPackaged,
      preload: fileURLToPath(new URL('../preload/index.cjs', import.meta.url)),
      additionalArguments: [PLATFORM_SWITCH + JSON.stringify(platformInfo())],
    },
  });
  window.once('ready-to-show', () => {
    if (kept?.maximized) window.maximize();
    window.show();
  });
  window.on('close', () =>
    writeWindowBounds(boundsFile, { bounds: window.getNormalBounds(), maximized: window.isMaximized() }),
  );
  window.webContents.on('render-process-gone', (_event, { reason }) => {
    if (reason !== 'clean-exit') void offerReload(window, reason);
  });
  letGuestGoFirst(window.webContents);
  if (devServer) addPolicyToDevelopmentServer(window.webContents, devServer);
  void window.loadURL(devServer?.href ?? `${APP_ORIGIN}/index.html`);
  return window;
}

/** The machine is not in the page, so nothing of it is lost when the page is. */
async function offerReload(window: BrowserWindow, reason: string): Promise<void> {
  const { response } = await dialog.showMessageBox(window, {
    type: 'error',
    message: 'The page of the window has ended.',
    detail: `Reason: ${reason}. The machine goes on without it; reloading shows it again.`,
    buttons: ['Reload', 'Quit'],
    defaultId: 0,
  });
  if (response === 0) window.reload();
  else app.quit();
}

function platformInfo(): PlatformInfo {
  return {
    os: process.platform,
    umbra: app.getVersion(),
    electron: process.versions.electron,
    node: process.versions.node,
  };
}
