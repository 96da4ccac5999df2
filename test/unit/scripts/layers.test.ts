import { describe, expect, it } from 'vitest';
import { IMPORT_TABLE } from '../../../scripts/check/import-table.mjs';
import { layerViolations } from '../../../scripts/check/layers.mjs';

/** What the import table says about one file with this text. */
const judge = (file: string, text: string): string[] => layerViolations(new Map([[file, text]]), IMPORT_TABLE);

describe('the import table', () => {
  it.each([
    ['core/kvm/mmu.ts', `import { Cpu } from '../x86/index.ts';`],
    ['core/kvm/mmu.ts', `import { spteMask } from './spte.ts';`],
    ['core/x86/decode/decode.ts', `import { Decoder } from 'iced-x86';`],
    ['core/machine/machine.ts', `import { Vm } from '../kvm/vm.ts';`],
    ['core/protocol/requests.ts', `import * as v from 'valibot';`],
    ['electron/host/engine-host.ts', `import { Worker } from 'node:worker_threads';`],
    ['electron/host/engine-host.ts', `new Worker(new URL('./engine-worker.js', import.meta.url));`],
    ['electron/main/main-window.ts', `const preload = new URL('../preload/index.cjs', import.meta.url);`],
    ['electron/main/index.ts', `import { EngineHost } from '../host/engine-host.ts';`],
    ['renderer/main.ts', `import '@xterm/xterm/css/xterm.css';`],
    ['renderer/main.ts', `import { formatGpa } from '@core/format/address.ts';`],
    ['test/unit/base/bits.test.ts', `import { assert } from '../../../core/base/assert.ts';`],
  ])('lets %s have: %s', (file, text) => {
    expect(judge(file, text)).toEqual([]);
  });

  it.each([
    [
      'core/base/bits.ts',
      `import { layout } from '../arena/layout.ts';`,
      'core/base may not import core/arena/layout.ts',
    ],
    ['core/x86/cpu.ts', `import { Vm } from '../kvm/vm.ts';`, 'core/x86 may not import core/kvm/vm.ts'],
    ['core/x86/cpu.ts', `import type { Vm } from '../kvm/vm.ts';`, 'core/x86 may not import core/kvm/vm.ts'],
    ['core/kvm/mmu.ts', `import { walk } from '../x86/paging.ts';`, 'core/kvm may not import core/x86/paging.ts'],
    ['core/kvm/mmu.ts', `export * from '../devices/bus.ts';`, 'core/kvm may not import core/devices/bus.ts'],
    [
      'core/kvm/mmu.ts',
      `const bus = await import('../devices/bus.ts');`,
      'core/kvm may not import core/devices/bus.ts',
    ],
    ['core/arena/arena.ts', `import fs from 'node:fs';`, "core/arena may not import Node's node:fs"],
    ['core/arena/arena.ts', `import fs from 'fs';`, "core/arena may not import Node's fs"],
    ['core/debug/session.ts', `import { ref } from 'vue';`, 'core/debug may not import the package vue'],
    ['core/devices/uart.ts', `import { Decoder } from 'iced-x86';`, 'core/devices may not import the package iced-x86'],
    ['electron/host/files.ts', `import { app } from 'electron';`, 'electron/host may not import the package electron'],
    ['electron/host/files.ts', `import fs from 'fs';`, 'write node:fs'],
    [
      'electron/main/index.ts',
      `import { Vm } from '../../core/kvm/vm.ts';`,
      'electron/main may not import core/kvm/vm.ts',
    ],
    ['renderer/main.ts', `import { Vm } from '@core/kvm/vm.ts';`, 'renderer may not import core/kvm/vm.ts'],
    ['renderer/main.ts', `import { ipcRenderer } from 'electron';`, 'renderer may not import the package electron'],
    ['renderer/main.ts', `import url from '@core/kvm/vm.ts?url';`, 'renderer may not import core/kvm/vm.ts'],
    [
      'renderer/main.ts',
      `new Worker(new URL('../core/kvm/walk-worker.ts', import.meta.url));`,
      'renderer may not import core/kvm/walk-worker.ts',
    ],
    [
      'test/unit/a.test.ts',
      `import '../../../elsewhere.ts';`,
      'imports ../../../elsewhere.ts, which is outside the project',
    ],
  ])('refuses %s: %s', (file, text, complaint) => {
    expect(judge(file, text)).toEqual([`${file}:1: ${complaint}`]);
  });

  it('reads the script of a component and names the line of the component', () => {
    const component = ['<template>', '  <p>import x from "vue"</p>', '</template>', '<script setup lang="ts">', '']
      .concat([`import { Vm } from '@core/kvm/vm.ts';`, '</script>'])
      .join('\n');
    expect(judge('renderer/panels/MemslotMap.vue', component)).toEqual([
      'renderer/panels/MemslotMap.vue:6: renderer may not import core/kvm/vm.ts',
    ]);
  });

  it('refuses a folder that has no line in it', () => {
    expect(judge('core/network/tap.ts', '')).toEqual([
      'core/network/tap.ts: its folder is not in the import table (scripts/check/import-table.mjs)',
    ]);
  });

  it('does not take a folder for another whose name begins the same', () => {
    expect(judge('core/kvm-extras/x.ts', '')).toHaveLength(1);
  });
});
