/** Files that are dropped onto the window. The page reads them itself: it never learns, and never says, where they are. */
import {
  foreignImage,
  MAX_BREAKPOINT_FILE,
  MAX_IMAGE_BYTES,
  MAX_STATE_PIECE,
  MAX_WORKSPACE_BYTES,
  parseWorkspace,
} from '@core/protocol/index.ts';
import { onBeforeUnmount, onMounted } from 'vue';
import { useBreakpointsStore } from '../stores/breakpoints-store.ts';
import { useDesktopStore } from '../stores/desktop-store.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';
import { useNoticesStore } from '../stores/notices-store.ts';
import { useSessionStore } from '../stores/session-store.ts';

export function useFileDrop(): void {
  const breakpoints = useBreakpointsStore();
  const desktop = useDesktopStore();
  const layout = useLayoutStore();
  const machine = useMachineStore();
  const notices = useNoticesStore();
  const session = useSessionStore();

  const refuse = (file: File, why: string): void => notices.add('error', `${file.name} cannot be opened: ${why}`);

  async function openState(file: File): Promise<void> {
    let answer: { ok: boolean; error?: { message: string } } = await desktop.call('state.openBegin', {});
    for (let at = 0; at < file.size && answer.ok; at += MAX_STATE_PIECE) {
      const bytes = new Uint8Array(await file.slice(at, at + MAX_STATE_PIECE).arrayBuffer());
      answer = await desktop.call('state.openNext', { bytes });
    }
    if (!answer.ok) return refuse(file, answer.error?.message ?? '');
    const opened = await desktop.call('state.openEnd', {});
    if (!opened.ok) return refuse(file, opened.error.message);
    machine.adopt(opened.value);
    await breakpoints.refresh();
    notices.settle(`Machine state opened: ${file.name}`);
  }

  async function openWorkspace(file: File): Promise<void> {
    if (file.size > MAX_WORKSPACE_BYTES) return refuse(file, 'it is too large for a workspace.');
    const parsed = parseWorkspace(await file.text());
    if (!parsed.ok) return refuse(file, parsed.error);
    const { base64, name } = parsed.value.image;
    if (base64 === undefined) return refuse(file, 'its image is in a file of its own; open it with Ctrl+Shift+O.');
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    if (!(await machine.create({ name, bytes }, parsed.value.options))) return;
    notices.settle(`Workspace opened: ${file.name}`);
    // Where the file is nobody knows: it is saved to a place that is asked for.
    session.leaveFile();
    await session.apply(parsed.value);
  }

  /** They take the place of the list, as one edit. */
  async function openBreakpoints(file: File): Promise<void> {
    if (file.size > MAX_BREAKPOINT_FILE) return refuse(file, 'it is too large for a list of breakpoints.');
    if (!(await breakpoints.importText(await file.text()))) return refuse(file, breakpoints.error?.message ?? '');
    layout.open('breakpoints');
    notices.add('info', `Breakpoints imported: ${file.name}`);
  }

  async function openImage(file: File): Promise<void> {
    if (file.size > MAX_IMAGE_BYTES) return refuse(file, 'it is too large for an image.');
    const bytes = new Uint8Array(await file.arrayBuffer());
    const what = foreignImage(bytes);
    if (what !== undefined) return refuse(file, `it is no image but ${what}.`);
    if (await machine.create({ name: file.name, bytes }, machine.options)) notices.settle(`Image opened: ${file.name}`);
  }

  function onDrop(event: DragEvent): void {
    const files = event.dataTransfer?.files;
    const file = files?.[0];
    if (files === undefined || file === undefined) return;
    event.preventDefault();
    if (files.length > 1) {
      notices.add('error', `${files.length} files were dropped; the window takes one at a time.`);
      return;
    }
    // A folder, or a file that is gone by now, cannot be read.
    openerOf(file.name)(file).catch(() => refuse(file, 'it cannot be read; a folder cannot be opened.'));
  }

  function openerOf(name: string): (file: File) => Promise<void> {
    if (name.endsWith('.umbra-machine')) return openState;
    if (name.endsWith('.umbra-workspace')) return openWorkspace;
    return name.endsWith('.json') ? openBreakpoints : openImage;
  }

  const onDragOver = (event: DragEvent): void => {
    if (event.dataTransfer?.types.includes('Files') === true) event.preventDefault();
  };

  onMounted(() => {
    window.addEventListener('drop', onDrop);
    window.addEventListener('dragover', onDragOver);
  });
  onBeforeUnmount(() => {
    window.removeEventListener('drop', onDrop);
    window.removeEventListener('dragover', onDragOver);
  });
}
