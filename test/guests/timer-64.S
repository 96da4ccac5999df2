/* Interrupt entries of the timer guest for 64-bit code. */
        .text
        .code64
        .macro ENTRY64 name, handler
        .globl \name
        .type \name, @function
\name:  pushq   %rax
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        cld
        call    \handler
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rax
        iretq
        .size \name, . - \name
        .endm

        ENTRY64 tick_entry_64, on_tick
        ENTRY64 clock_entry_64, on_clock
        ENTRY64 spurious_entry_64, on_spurious
        .section .note.GNU-stack, "", @progbits
