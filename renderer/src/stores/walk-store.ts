/** One address through both trees: the guest's page tables and the tables that the hardware walks below them. */
import type { AddressWalk, Moment, Params, RequestError } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { ref, shallowRef, watch } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { useDesktopStore } from './desktop-store.ts';
import { gpaOfFocus } from './focus-store.ts';
import { useMachineStore } from './machine-store.ts';
import { panelOf } from './panels-store.ts';

export type WalkSpace = Params<'walk.read'>['space'];
export type WalkAccess = Params<'walk.read'>['access'];
/** Whose access: the vCPU's present privilege unless somebody chose. */
export type WalkPrivilege = 'current' | 'supervisor' | 'user';

function setup(panel: string) {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const { isLocked, focus } = panelOf(panel);
  const requests = latestRequest();
  const space = ref<WalkSpace>('gva');
  const address = shallowRef<bigint>();
  const access = ref<WalkAccess>('read');
  const privilege = ref<WalkPrivilege>('current');
  const walk = shallowRef<AddressWalk>();
  const moment = shallowRef<Moment>();
  const error = shallowRef<RequestError>();

  async function refresh(): Promise<void> {
    const at = address.value ?? machine.rip;
    if (at === undefined) return;
    const answer = await requests.run(() =>
      desktop.call('walk.read', {
        vcpu: machine.selectedVcpu,
        space: space.value,
        address: at,
        access: access.value,
        ...(privilege.value === 'current' ? {} : { user: privilege.value === 'user' }),
      }),
    );
    if (answer === undefined) return;
    error.value = answer.ok ? undefined : answer.error;
    if (!answer.ok) walk.value = undefined;
    else if (machine.admit(answer.value.moment)) {
      walk.value = answer.value.walk;
      moment.value = answer.value.moment;
    }
  }

  async function show(nextSpace: WalkSpace, next: bigint): Promise<void> {
    space.value = nextSpace;
    address.value = next;
    await refresh();
  }

  watch(focus, (next) => {
    if (isLocked.value || next === undefined) return;
    const gpa = gpaOfFocus(next);
    if (gpa !== undefined) void show('gpa', gpa);
    else if (next.kind === 'code' || (next.kind === 'address' && next.space === 'gva')) void show('gva', next.address);
  });
  watch([access, privilege], () => void refresh());

  return { space, address, access, privilege, isLocked, walk, moment, error, refresh, show };
}

/** One of each panel. */
export const useWalkStore = (panel = 'walk') => defineStore(panel, () => setup(panel))();
