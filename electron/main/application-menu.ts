/** The application menu. What the workbench can do is in its own palette; here is what belongs to the window. */
import { Menu, app } from 'electron';
import type { MenuItemConstructorOptions } from 'electron';
import type { MenuCommand } from '../../core/protocol/desktop.ts';
import { openDocumentation } from './browsing-policy.ts';

export function installMenu(send: (command: MenuCommand) => void): void {
  const file: MenuItemConstructorOptions = {
    label: '&File',
    submenu: [
      { id: 'image.open', label: '&Open Image…', accelerator: 'CmdOrCtrl+O', click: () => send('image.open') },
      { type: 'separator' },
      { role: process.platform === 'darwin' ? 'close' : 'quit' },
    ],
  };
  const view: MenuItemConstructorOptions = {
    label: '&View',
    submenu: [
      { role: 'resetZoom' },
      { role: 'zoomIn' },
      { role: 'zoomOut' },
      { type: 'separator' },
      { role: 'togglefullscreen' },
      // F5 and Ctrl-R are the debugger's; a reload is for whoever works on the page itself.
      ...(app.isPackaged ? [] : [{ type: 'separator' as const }, { role: 'toggleDevTools' as const }]),
    ],
  };
  const help: MenuItemConstructorOptions = {
    role: 'help',
    submenu: [
      {
        label: 'The x86 KVM Shadow MMU (kernel.org)',
        click: () => openDocumentation('https://docs.kernel.org/virt/kvm/x86/mmu.html'),
      },
      {
        label: 'The KVM API (kernel.org)',
        click: () => openDocumentation('https://docs.kernel.org/virt/kvm/api.html'),
      },
    ],
  };
  const application: MenuItemConstructorOptions[] = process.platform === 'darwin' ? [{ role: 'appMenu' }] : [];
  Menu.setApplicationMenu(
    Menu.buildFromTemplate([...application, file, { role: 'editMenu' }, view, { role: 'windowMenu' }, help]),
  );
}
