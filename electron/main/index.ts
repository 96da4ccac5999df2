/** The main process: puts the parts together. What each does is in its own file. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { BrowserWindow, app, protocol } from 'electron';
import * as v from 'valibot';
import { CHANNEL } from '../../core/protocol/desktop-channels.ts';
import { DESKTOP_SCHEMAS } from '../../core/protocol/desktop.ts';
import type { GuestImage, ImageAnswer, MenuCommand } from '../../core/protocol/desktop.ts';
import type { EngineEvent } from '../../core/protocol/events.ts';
import { REQUEST_SCHEMAS } from '../../core/protocol/requests.ts';
import type { Params, RequestName } from '../../core/protocol/requests.ts';
import { EngineHost } from '../host/engine-host.ts';
import { APP_SCHEME, developmentServer, isOwnPage } from './app-origin.ts';
import { APP_SCHEME_PRIVILEGES, serveApp } from './app-protocol.ts';
import { ApplicationMenu } from './application-menu.ts';
import { confineWebContents, refusePermissions } from './browsing-policy.ts';
import { fileArgument } from './command-line.ts';
import { desktopVerbs } from './desktop-verbs.ts';
import { EngineLink, refusal } from './engine-link.ts';
import { serveEnginePorts } from './engine-port.ts';
import { listenAtBorder } from './ipc-border.ts';
import { KeptSession } from './kept-session.ts';
import { createMainWindow } from './main-window.ts';
import { RecentFiles } from './recent-files.ts';
import { sessionVerbs } from './session-verbs.ts';
import { measureStartupIfAsked } from './startup-measure.ts';
import { StartupFile } from './startup-file.ts';
import { StateFiles } from './state-file.ts';
import { WindowTheme } from './theme-choice.ts';

const startsWithFolder = process.defaultApp === true;
const devServer = developmentServer(app.isPackaged, process.env['ELECTRON_RENDERER_URL']);

protocol.registerSchemesAsPrivileged([APP_SCHEME_PRIVILEGES]);
// Root cannot have the sandbox and starts with --no-sandbox, which this call would contradict.
if (!app.commandLine.hasSwitch('no-sandbox')) app.enableSandbox();
confineWebContents(devServer);

// One program, one window: a second start hands its image to the first.
if (app.requestSingleInstanceLock()) void main();
else app.quit();

/**
 * With the machine that the window will show: it is made while the page is being read. An image that cannot be is left to the
 * page, which says why.
 * A test in this process may take hold of the engine, to crash it; the page cannot reach it.
 */
async function startEngine(image: Promise<ImageAnswer>): Promise<EngineHost> {
  const engine = await EngineHost.start();
  const read = await image;
  if (read.ok) await engine.request('machine.create', firstMachine(read.value));
  if (!app.isPackaged && process.env['UMBRA_E2E'] === '1') Object.assign(globalThis, { umbraEngine: engine });
  return engine;
}

const firstMachine = ({ name, bytes }: GuestImage): Params<'machine.create'> =>
  v.parse(REQUEST_SCHEMAS['machine.create'], { name, image: bytes, options: {} });

async function main(): Promise<void> {
  const startup = new StartupFile(fileArgument(process.argv, startsWithFolder, process.cwd()));
  const openWindow = (): BrowserWindow | undefined => BrowserWindow.getAllWindows().at(0);
  const send = (channel: string, message: EngineEvent | MenuCommand): void =>
    openWindow()?.webContents.send(channel, message);
  const engine = new EngineLink(
    () => startEngine(startup.readImage()),
    (event) => send(CHANNEL.event, event),
  );

  app.on('second-instance', (_event, argv, folder) => {
    openWindow()?.show();
    openWindow()?.focus();
    const file = fileArgument(argv, startsWithFolder, folder);
    if (file === undefined) return;
    startup.name(file);
    send(CHANNEL.menu, 'file.startup');
  });
  app.on('window-all-closed', () => app.quit());
  app.on('will-quit', () => void engine.close());

  await app.whenReady();
  refusePermissions();
  protocol.handle(APP_SCHEME, serveApp(fileURLToPath(new URL('../renderer', import.meta.url))));
  const theme = new WindowTheme(path.join(app.getPath('userData'), 'theme.json'));
  // The page begins to load before anything else is made.
  const window = createMainWindow(devServer);
  measureStartupIfAsked(window);
  const menu = new ApplicationMenu((command) => send(CHANNEL.menu, { command }));

  const kept = new KeptSession(app.getPath('userData'));
  app.on('will-quit', () => kept.close());
  engine.onEvent((event) => {
    if (event.kind === 'crashed') kept.engineCrashed = true;
    else if (event.kind === 'status') kept.engineCrashed = false;
  });

  const isOwn = (address: string): boolean => isOwnPage(address, devServer);
  const verbs = desktopVerbs(
    startup,
    () => engine.present(),
    window,
    menu,
    theme,
    sessionVerbs(
      () => engine.present(),
      new StateFiles(engine),
      new RecentFiles(path.join(app.getPath('userData'), 'recent.json')),
      kept,
      startup,
      window,
    ),
  );
  // The border has parsed them by this request's own schema.
  const ask = (name: RequestName, params: unknown) => engine.request(name, params as Params<RequestName>);
  const malformed = (message: string) => refusal('bad-request', message);
  listenAtBorder(CHANNEL.engine, REQUEST_SCHEMAS, isOwn, ask, malformed);
  serveEnginePorts(isOwn, ask, malformed);
  listenAtBorder(
    CHANNEL.desktop,
    DESKTOP_SCHEMAS,
    isOwn,
    (verb, params) => verbs[verb](params as never),
    (message) => ({ ok: false, message }),
  );
}
