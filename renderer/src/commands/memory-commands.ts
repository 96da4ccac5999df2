/** The memory panel by name: what is selected in it, and its bars. */
import { PANELS_BY_KIND, parsePanelId } from '../layout/panel-kinds.ts';
import { BYTE_TEXTS, BYTE_TEXT_KINDS } from '../memory-view/byte-texts.ts';
import type { ByteTextKind } from '../memory-view/byte-texts.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';
import { useMemorySelectionStore } from '../stores/memory-selection-store.ts';
import { useMemoryStore } from '../stores/memory-store.ts';
import type { MemoryBar } from '../stores/memory-store.ts';
import type { Command } from './command.ts';

const COPY_KEYS: Readonly<Record<ByteTextKind, string>> = {
  hex: 'Ctrl+K Shift+H',
  text: "Ctrl+K '",
  c: 'Ctrl+K ;',
  gdb: 'Ctrl+K Shift+Z',
};

const { title: PANEL } = PANELS_BY_KIND.memory;

export function memoryCommands(): readonly Command[] {
  const layout = useLayoutStore();
  const machine = useMachineStore();
  /** The memory panel that the keyboard is in, else the first. */
  const panel = (): string => {
    const { active } = layout;
    return active !== undefined && parsePanelId(active)?.kind === 'memory' ? active : 'memory';
  };
  const selection = () => useMemorySelectionStore(panel());
  const hasSelection = (): boolean => selection().range !== undefined;
  const needs = 'selected bytes in a memory panel';
  const showBar = (bar: MemoryBar) => (): void => {
    useMemoryStore(layout.open('memory')).bar = bar;
  };
  return [
    {
      id: 'search-memory',
      title: `${PANEL}: search for bytes, a text or a value…`,
      key: 'Ctrl+K Shift+S',
      needs: 'a machine',
      isEnabled: () => machine.hasMachine,
      run: showBar('search'),
    },
    {
      id: 'compare-memory',
      title: `${PANEL}: compare with another moment…`,
      key: 'Ctrl+K Shift+K',
      needs: 'a machine',
      isEnabled: () => machine.hasMachine,
      run: showBar('compare'),
    },
    ...BYTE_TEXT_KINDS.map((kind): Command => ({
      id: `copy-bytes-${kind}`,
      title: `${PANEL}: copy the selected bytes as ${BYTE_TEXTS[kind]}`,
      key: COPY_KEYS[kind],
      needs,
      isEnabled: hasSelection,
      run: () => selection().copy(kind),
    })),
    {
      id: 'fill-bytes',
      title: `${PANEL}: fill the selected bytes…`,
      key: 'Ctrl+K Insert',
      needs,
      isEnabled: hasSelection,
      run: () => {
        const id = panel();
        layout.open('memory');
        useMemoryStore(id).bar = 'fill';
      },
    },
    {
      id: 'break-on-bytes',
      title: `${PANEL}: break on writes to the selected bytes`,
      key: 'Ctrl+K Shift+V',
      waits: true,
      needs: `${needs}, of guest memory`,
      isEnabled: () => selection().canBreak,
      run: () => selection().breakOn('write'),
    },
    {
      id: 'break-on-access',
      title: `${PANEL}: break on reads and writes of the selected bytes`,
      key: 'Ctrl+K Home',
      waits: true,
      needs: `${needs}, of guest memory`,
      isEnabled: () => selection().canBreak,
      run: () => selection().breakOn('any'),
    },
    {
      id: 'watch-bytes',
      title: `${PANEL}: watch the selected bytes`,
      key: 'Ctrl+K PageUp',
      needs: `${needs}, at most 64`,
      isEnabled: () => selection().canWatch,
      run: () => selection().watch(),
    },
    {
      id: 'follow-pointer',
      title: `${PANEL}: follow the pointer at the cursor`,
      key: 'Ctrl+K PageDown',
      needs,
      isEnabled: hasSelection,
      run: () => selection().followCursor(),
    },
  ];
}
