/**
 * The application menu: the page's own commands, as its table has them, and beside them what belongs to the window. The page
 * sends its menus whenever they change; a key stands there to be read, the page listens for it.
 */
import { Menu, app } from 'electron';
import type { MenuItemConstructorOptions } from 'electron';
import type { MenuItem, MenuModel } from '../../core/protocol/desktop.ts';
import { openDocumentation } from './browsing-policy.ts';

const separator: MenuItemConstructorOptions = { type: 'separator' };

/** What the window itself has in each menu, below the page's commands. */
const ofTheWindow = (): Readonly<Record<string, readonly MenuItemConstructorOptions[]>> => ({
  File: [{ role: process.platform === 'darwin' ? 'close' : 'quit' }],
  Edit: [{ role: 'cut' }, { role: 'copy' }, { role: 'paste' }, { role: 'selectAll' }],
  View: [
    { role: 'resetZoom' },
    { role: 'zoomIn' },
    { role: 'zoomOut' },
    { role: 'togglefullscreen' },
    // F5 and Ctrl-R are the debugger's; a reload is for whoever works on the page itself.
    ...(app.isPackaged ? [] : [separator, { role: 'toggleDevTools' as const }]),
  ],
  Help: [
    {
      label: 'The x86 KVM Shadow MMU (kernel.org)',
      click: () => openDocumentation('https://docs.kernel.org/virt/kvm/x86/mmu.html'),
    },
    {
      label: 'The KVM API (kernel.org)',
      click: () => openDocumentation('https://docs.kernel.org/virt/kvm/api.html'),
    },
  ],
});

/** Until the page has sent its own. */
const BARE: readonly MenuModel[] = ['File', 'Edit', 'View', 'Help'].map((title) => ({ title, items: [] }));

const KEY_NAMES: Readonly<Record<string, string>> = {
  Ctrl: 'CmdOrCtrl',
  ArrowLeft: 'Left',
  ArrowRight: 'Right',
  ArrowUp: 'Up',
  ArrowDown: 'Down',
};

/** Electron's name of a key: `CmdOrCtrl+Shift+P`. */
export const acceleratorOf = (key: string): string =>
  key
    .split('+')
    .map((part) => KEY_NAMES[part] ?? part)
    .join('+');

/** A key of two strokes, which no system's menus know. */
const isChord = (key: string): boolean => key.includes(' ');
const labelOf = (title: string, key: string | undefined): string =>
  key !== undefined && isChord(key) ? `${title} [${key}]` : title;

/** Everything of the menus that an item cannot change while it stands. */
const shapeOf = (menus: readonly MenuModel[]): string =>
  JSON.stringify(menus.map(({ title, items }) => [title, items.map(({ id, title: label, key }) => [id, label, key])]));

export class ApplicationMenu {
  readonly #choose: (command: string) => void;
  #shape = '';

  constructor(choose: (command: string) => void) {
    this.#choose = choose;
    this.show(BARE);
  }

  show(menus: readonly MenuModel[]): void {
    const shape = shapeOf(menus);
    // A menu that is open stays open when only its items' states change.
    if (shape === this.#shape) this.#update(menus);
    else this.#build(menus);
    this.#shape = shape;
  }

  #update(menus: readonly MenuModel[]): void {
    const built = Menu.getApplicationMenu();
    for (const { id, isEnabled, isChecked } of menus.flatMap(({ items }) => items)) {
      const item = built?.getMenuItemById(id);
      if (!item) continue;
      item.enabled = isEnabled;
      if (isChecked !== undefined) item.checked = isChecked;
    }
  }

  #build(menus: readonly MenuModel[]): void {
    const own = ofTheWindow();
    const template = menus.map(({ title, items }): MenuItemConstructorOptions => {
      const below = own[title] ?? [];
      const isBoth = items.length > 0 && below.length > 0;
      return {
        label: `&${title}`,
        submenu: [...items.map((item) => this.#item(item)), ...(isBoth ? [separator] : []), ...below],
      };
    });
    const application: MenuItemConstructorOptions[] = process.platform === 'darwin' ? [{ role: 'appMenu' }] : [];
    Menu.setApplicationMenu(Menu.buildFromTemplate([...application, ...template]));
  }

  #item({ id, title, key, isEnabled, isChecked }: MenuItem): MenuItemConstructorOptions {
    return {
      id,
      // An ampersand would underline the character behind it.
      label: labelOf(title, key).replaceAll('&', '&&'),
      enabled: isEnabled,
      ...(isChecked === undefined ? {} : { type: 'checkbox', checked: isChecked }),
      ...(key === undefined || isChord(key) ? {} : { accelerator: acceleratorOf(key), registerAccelerator: false }),
      click: () => this.#choose(id),
    };
  }
}
