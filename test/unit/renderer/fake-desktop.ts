/** The host's own verbs, scripted: images, the clipboard, files that are written, the measurement of memslot changes. */
import type {
  CostSetting,
  CostState,
  ExportAnswer,
  ExportRequest,
  MenuModel,
  PresentMachine,
  ThemeChoice,
  TraceFileAnswer,
} from '@core/protocol/index.ts';

const COST_SETTING: CostSetting = {
  mmu: 'ept',
  startedAt: '2026-01-02T03:04:05.678Z',
  processor: 'A processor, 2 cores',
  system: 'linux 6.8.0 x64',
  runtime: 'Umbra 0.1.0',
};

export class FakeDesktop {
  readonly platform = { os: 'linux', umbra: '0.1.0', electron: '45.4.1', node: '22.0.0' };
  readonly copied: string[] = [];
  readonly exported: ExportRequest[] = [];
  exportAnswer: ExportAnswer = { ok: true, path: '/tmp/exported' };
  cost: CostState = { kind: 'idle' };
  themeChoice: ThemeChoice = 'system';
  menus: readonly MenuModel[] = [];
  present: PresentMachine | undefined;
  /** The trace that the user chooses. */
  trace: TraceFileAnswer | undefined;

  connectEngine() {
    throw new Error('the fake engine has no port');
  }

  async startupImage() {
    return { ok: true, value: { name: 'poller', bytes: Uint8Array.of(1) } } as const;
  }

  async presentMachine() {
    return this.present;
  }

  async chooseImage() {
    return undefined;
  }

  async guestNames() {
    return ['faults', 'hello', 'poller', 'storm', 'timer'];
  }

  async readGuest(name: string) {
    return { ok: true, value: { name, bytes: Uint8Array.of(2) } } as const;
  }

  async saveExport(request: ExportRequest): Promise<ExportAnswer> {
    this.exported.push(request);
    return this.exportAnswer;
  }

  async startCost(mmu: CostSetting['mmu']): Promise<CostState> {
    this.cost = {
      kind: 'running',
      setting: { ...COST_SETTING, mmu },
      progress: { done: 1, of: 4, text: '1000 MMIO sptes, patch', points: [] },
    };
    return this.cost;
  }

  async costState(): Promise<CostState> {
    return this.cost;
  }

  async cancelCost(): Promise<CostState> {
    this.cost = { kind: 'cancelled', setting: COST_SETTING, points: [] };
    return this.cost;
  }

  async openFile() {
    return undefined;
  }

  async saveWorkspace() {
    return undefined;
  }

  async saveState() {
    return undefined;
  }

  async stateProgress() {
    return undefined;
  }

  async cancelState() {}

  async recentFiles() {
    return [];
  }

  async forgetRecent() {
    return [];
  }

  async keepSession() {}

  async openStartupFile() {
    return undefined;
  }

  async recoverSession() {
    return undefined;
  }

  async openTrace(): Promise<TraceFileAnswer | undefined> {
    return this.trace;
  }

  async copyText(text: string) {
    this.copied.push(text);
  }

  async theme() {
    return this.themeChoice;
  }

  async setTheme(choice: ThemeChoice) {
    this.themeChoice = choice;
  }

  async setMenu(menus: readonly MenuModel[]) {
    this.menus = menus;
  }
}
