/*
 * The way from the boot loader's 32-bit protected mode into guest_main, in the mode that the command line asks for.
 * In a guest with long mode this file is assembled for 64 bits, with the 32-bit half in .code32, and the 32-bit compilation of
 * the C files has p32_ before its names.
 */
#ifdef WITH_LONG_MODE
#define THIRTY_TWO(name) p32_##name
#else
#define THIRTY_TWO(name) name
#endif

        .section .multiboot, "a"
        .balign 4
        .long 0x1badb002
        .long 0x00000003
        .long -(0x1badb002 + 0x00000003)

        .text
        .code32
        .globl start
        .type start, @function
start:
        cli
        cld
        movl    $boot_stack_top, %esp
        pushl   $0
        popfl
        lgdt    boot_gdt_pointer
        ljmp    $0x08, $1f
1:      movl    $0x10, %ecx
        movl    %ecx, %ds
        movl    %ecx, %es
        movl    %ecx, %fs
        movl    %ecx, %gs
        movl    %ecx, %ss
        movl    %eax, boot_magic
        movl    %ebx, boot_information
        /* Sets up what paging the mode needs; answers 1 when the rest is to run in long mode. */
        call    THIRTY_TWO(prepare_mode)
        testl   %eax, %eax
        jnz     enter_long
        call    THIRTY_TWO(guest_main)
        pushl   $0
        call    THIRTY_TWO(guest_exit)
        .size start, . - start

        .globl enter_long
        .type enter_long, @function
enter_long:
#ifdef WITH_LONG_MODE
        movl    %cr4, %eax
        orl     $0x20, %eax             /* PAE */
        movl    %eax, %cr4
        movl    THIRTY_TWO(paging_root), %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx       /* EFER */
        rdmsr
        orl     $0x100, %eax            /* LME */
        wrmsr
        movl    %cr0, %eax
        orl     $0x80000000, %eax       /* PG */
        movl    %eax, %cr0
        ljmp    $0x18, $long_start
        .size enter_long, . - enter_long

        .code64
        .type long_start, @function
long_start:
        xorl    %eax, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        movl    %eax, %ss
        movq    $boot_stack_top, %rsp
        call    guest_main
        xorl    %edi, %edi
        call    guest_exit
        .size long_start, . - long_start
        .code32
#else
        hlt
        jmp     enter_long
        .size enter_long, . - enter_long
#endif

        .section .data
        .globl boot_gdt
        .type boot_gdt, @object
        .balign 16
boot_gdt:
        .quad   0
        .quad   0x00cf9b000000ffff      /* 0x08 code, 32 bits */
        .quad   0x00cf93000000ffff      /* 0x10 data */
        .quad   0x00af9b000000ffff      /* 0x18 code, 64 bits */
        .quad   0x00cffb000000ffff      /* 0x20 user code, 32 bits */
        .quad   0x00cff3000000ffff      /* 0x28 user data */
        .quad   0x00affb000000ffff      /* 0x30 user code, 64 bits */
        .globl boot_gdt_tss
boot_gdt_tss:
        .quad   0                       /* 0x38 TSS; in long mode it takes two */
        .quad   0
boot_gdt_end:
        .size boot_gdt, . - boot_gdt
boot_gdt_pointer:
        .word   boot_gdt_end - boot_gdt - 1
        .long   boot_gdt, 0

        .section .bss
        .balign 16
boot_stack:
        .skip   16384
        .globl boot_stack_top
boot_stack_top:
        .globl boot_magic
boot_magic:
        .skip   4
        .globl boot_information
boot_information:
        .skip   4
        .globl chosen_mode
chosen_mode:
        .skip   4

        .section .note.GNU-stack, "", @progbits
