/** The machine's state as last heard, and the commands that move it. */
import type {
  Answer,
  EngineEvent,
  GuestImage,
  ImageAnswer,
  MachineOptionsInput,
  MachineStatus,
  Moment,
  OpenedState,
  RunState,
} from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { keepUnchanged } from '../api/unchanged.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useNoticesStore } from './notices-store.ts';
import { useTurnsStore } from './turns-store.ts';

type RunRequest = 'run.continue' | 'run.pause';
type StepRequest = 'run.step' | 'run.stepOver' | 'run.stepOut';

export interface EngineCrash {
  readonly message: string;
  readonly lastTrace: readonly string[];
}

/** States in which the machine can go on. */
const CAN_RUN: ReadonlySet<RunState> = new Set(['paused', 'halted']);

export const useMachineStore = defineStore('machine', () => {
  const desktop = useDesktopStore();
  const notices = useNoticesStore();
  const turns = useTurnsStore();
  const status = shallowRef<MachineStatus>();
  const crash = shallowRef<EngineCrash>();
  /** What to make again after a crash or with other options. */
  const image = shallowRef<GuestImage>();
  const options = shallowRef<MachineOptionsInput>({});
  const selectedVcpu = ref(0);
  const isLoading = ref(false);
  /** What it was let go for last: a step is something that one waits for. */
  const goesOnFor = ref<'run' | 'step'>('run');
  /** Grows with every machine that is made or starts again. */
  const loads = ref(0);

  const state = computed<RunState>(() => (crash.value ? 'crashed' : (status.value?.state ?? 'empty')));
  const epoch = computed(() => status.value?.moment.epoch ?? -1);
  const isRunning = computed(() => state.value === 'running');
  /** A step over or out that takes its time. */
  const isStepping = computed(() => isRunning.value && goesOnFor.value === 'step');
  const hasMachine = computed(() => !crash.value && status.value !== undefined && state.value !== 'empty');
  /** A memslot update stands between two of its steps: vCPUs go on one by one only. */
  const heldUpdate = computed(() => (crash.value ? undefined : status.value?.moment.heldUpdate));
  const canRun = computed(() => CAN_RUN.has(state.value) && heldUpdate.value === undefined);
  const vcpu = computed(() => status.value?.vcpus.find(({ id }) => id === selectedVcpu.value));
  const rip = computed(() => vcpu.value?.rip);

  const isCurrent = (moment: Moment): boolean => moment.epoch >= epoch.value;

  /** Whether a reply still belongs to what is on screen. One from a moment that we have not heard of makes us ask. */
  function admit(moment: Moment): boolean {
    if (moment.epoch > epoch.value) void refreshStatus();
    return isCurrent(moment);
  }

  async function refreshStatus(): Promise<void> {
    const answer = await desktop.call('machine.status', {});
    if (answer.ok) applyStatus(answer.value);
  }

  function applyStatus(next: MachineStatus): void {
    if (!isCurrent(next.moment)) return;
    // An answer and an event may both tell of one stop: whatever is drawn by it is drawn once.
    status.value = keepUnchanged(status.value, next);
  }

  function take(answer: Answer<'machine.status'>): boolean {
    if (answer.ok) applyStatus(answer.value);
    else notices.addError(answer.error);
    return answer.ok;
  }

  const create = (guest: GuestImage, wanted: MachineOptionsInput): Promise<boolean> =>
    turns.take(() => make(guest, wanted));

  async function make(guest: GuestImage, wanted: MachineOptionsInput): Promise<boolean> {
    isLoading.value = true;
    const answer = await desktop.call('machine.create', { image: guest.bytes, name: guest.name, options: wanted });
    isLoading.value = false;
    if (!answer.ok) {
      notices.addError(answer.error);
      return false;
    }
    // A new engine counts its epochs from the start.
    status.value = answer.value;
    leaveCrash();
    image.value = guest;
    options.value = wanted;
    selectedVcpu.value = 0;
    loads.value += 1;
    // Problems of the machine before are none of this one.
    notices.settle(`Loaded: ${guest.name}`);
    return true;
  }

  /** A machine came out of a saved state: it is there already, paused where it was. */
  function adopt({ status: opened, image: bytes, name, options: wanted }: OpenedState): void {
    status.value = opened;
    leaveCrash();
    image.value = { name, bytes };
    options.value = wanted;
    selectedVcpu.value = 0;
    loads.value += 1;
  }

  /** What was said of it is no problem of the new engine. */
  function leaveCrash(): void {
    if (crash.value) notices.dismiss();
    crash.value = undefined;
  }

  async function load(answer: ImageAnswer, wanted: MachineOptionsInput): Promise<boolean> {
    if (answer.ok) return create(answer.value, wanted);
    notices.add('error', answer.message);
    return false;
  }

  const loadStartup = async (): Promise<boolean> => load(await desktop.startupImage(), options.value);

  /** After a reload of the page the machine is still there, or its crash is: both are in another process. */
  async function resume(): Promise<void> {
    const asked = desktop.presentMachine();
    const answer = await desktop.call('machine.status', {});
    // On screen at once; what it was made from is needed by whoever makes it anew.
    if (answer.ok && answer.value.state !== 'empty') status.value = answer.value;
    const present = await asked;
    if (present === undefined || (answer.ok && answer.value.state === 'empty')) {
      await loadStartup();
      return;
    }
    image.value = present.image;
    options.value = present.options;
    if (answer.ok) return;
    if (answer.error.code === 'engine-crashed') crash.value = { message: answer.error.message, lastTrace: [] };
    else notices.addError(answer.error);
  }

  /** The image that is loaded. */
  const presentImage = async (): Promise<ImageAnswer> =>
    image.value ? { ok: true, value: image.value } : desktop.startupImage();

  async function command(name: RunRequest): Promise<boolean> {
    goesOnFor.value = 'run';
    return take(await desktop.call(name, {}));
  }

  /** For whoever has the turn. */
  const standStill = (): Promise<boolean> => command('run.pause');

  const stepCommand = (name: StepRequest): Promise<boolean> =>
    turns.take(async () => {
      goesOnFor.value = 'step';
      return take(await desktop.call(name, { vcpu: selectedVcpu.value }));
    });

  /** Starts again from the first instruction; after a crash with a new engine, which the host tells what the old one had. */
  const restart = (): Promise<boolean> => turns.take(reset);

  async function reset(): Promise<boolean> {
    const answer = await desktop.call('machine.reset', {});
    if (!answer.ok) {
      notices.addError(answer.error);
      return false;
    }
    // A new engine counts its epochs from the start.
    if (crash.value) status.value = answer.value;
    else applyStatus(answer.value);
    leaveCrash();
    loads.value += 1;
    return true;
  }

  const runTo = (address: bigint): Promise<boolean> =>
    turns.take(async () => {
      goesOnFor.value = 'run';
      return take(await desktop.call('run.to', { vcpu: selectedVcpu.value, address }));
    });

  function handleEvent(event: EngineEvent): void {
    if (event.kind === 'status') applyStatus(event.status);
    else if (event.kind === 'log') notices.add(event.level, event.text);
    else if (event.kind === 'crashed') {
      crash.value = { message: event.message, lastTrace: event.lastTrace };
      notices.add('error', `The engine has crashed: ${event.message}`);
    }
  }

  return {
    status,
    crash,
    image,
    options,
    selectedVcpu,
    isLoading,
    loads,
    state,
    epoch,
    isRunning,
    isStepping,
    hasMachine,
    canRun,
    heldUpdate,
    vcpu,
    rip,
    admit,
    refreshStatus,
    applyStatus,
    create,
    adopt,
    load,
    loadStartup,
    resume,
    presentImage,
    restart,
    runTo,
    run: () => turns.take(() => command('run.continue')),
    pause: () => turns.take(standStill),
    standStill,
    step: () => stepCommand('run.step'),
    stepOver: () => stepCommand('run.stepOver'),
    stepOut: () => stepCommand('run.stepOut'),
    handleEvent,
  };
});
