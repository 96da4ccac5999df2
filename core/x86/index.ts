/** The public face of the CPU: nobody outside core/x86 imports deeper than this file. */
export { Cpu, type CpuConfig, type EmulatorOps } from './cpu.ts';
export * from './exits.ts';
