import { readFileSync } from 'node:fs';
import { createMachine } from './core/machine/index.ts';
const [vcpus,mode,mmu,append] = [Number(process.argv[2]), process.argv[3], process.argv[4], process.argv[5]??''];
let text='';
const m = createMachine({ramBytes:4<<20,mmu,era:'patch',maxPhyAddr:40,mmuPages:0,vcpus,onSerial:b=>{text+=String.fromCharCode(...b)}} as any, b=>new SharedArrayBuffer(b));
if(!m.ok) throw new Error(m.error.message);
const l=m.value.loadImage(new Uint8Array(readFileSync('electron/guests/smp.elf')),'smp.elf',`vcpus=${vcpus} rounds=40 mode=${mode} ${append}`);
if(!l.ok) throw new Error(l.error.message);
let s; const t=performance.now();
for(let i=0;i<200;i++){ s=m.value.run(100000); if(s.kind!=='budget')break;}
console.log(text,s,m.value.insns,performance.now()-t);
for(const v of m.value.vm.vcpus) console.log(v.id, v.cpu.r[32].toString(16), v.cpu.r[225], v.cpu.instructions());
