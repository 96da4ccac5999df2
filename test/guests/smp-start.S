/*
 * How the processors beside the boot one start: in flat 32-bit mode at secondary_main, their number in EDI. They wait until
 * the boot processor is where it wants them, take over its control registers, and work on stacks of their own.
 */
        .text
        .code32
        .globl secondary_main
        .type secondary_main, @function
secondary_main:
        cli
        cld
        cmpl    $8, %edi
        jae     park
        movl    %edi, %eax
        shll    $12, %eax
        leal    secondary_stacks + 4096(%eax), %esp
        lgdt    secondary_gdt_pointer
        ljmp    $0x08, $1f
1:      movl    $0x10, %ecx
        movl    %ecx, %ds
        movl    %ecx, %es
        movl    %ecx, %fs
        movl    %ecx, %gs
        movl    %ecx, %ss
wait:   pause
        cmpl    $0, smp_board + 12      /* may_enter */
        je      wait
        movl    secondary_cr4, %eax
        movl    %eax, %cr4
        movl    secondary_cr3, %eax
        movl    %eax, %cr3
        cmpl    $0, secondary_efer
        je      2f
        movl    $0xc0000080, %ecx
        rdmsr
        orl     $0x100, %eax            /* LME */
        wrmsr
2:      movl    secondary_cr0, %eax
        movl    %eax, %cr0
        cmpl    $0, secondary_efer
        jne     3f
        pushl   %edi
        call    p32_smp_work
park:   cli
        hlt
        jmp     park
3:      ljmp    $0x18, $secondary_long
        .size secondary_main, . - secondary_main

        .code64
        .type secondary_long, @function
secondary_long:
        xorl    %eax, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %esp, %esp
        call    smp_work
1:      cli
        hlt
        jmp     1b
        .size secondary_long, . - secondary_long

        .section .data
secondary_gdt_pointer:
        .word   0x37
        .long   boot_gdt

        .globl secondary_cr0, secondary_cr3, secondary_cr4, secondary_efer
        .section .bss
        .balign 4096
        .globl smp_board
        .type smp_board, @object
smp_board:
        .skip   4096
        .size smp_board, . - smp_board
        .globl smp_pages
        .type smp_pages, @object
smp_pages:
        .skip   8 * 4096
        .size smp_pages, . - smp_pages
secondary_stacks:
        .skip   8 * 4096
secondary_cr0:
        .skip   4
secondary_cr3:
        .skip   4
secondary_cr4:
        .skip   4
secondary_efer:
        .skip   4

        .section .note.GNU-stack, "", @progbits
