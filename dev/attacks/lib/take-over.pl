#!/usr/bin/perl
# Takes control of its own child: PTRACE_ATTACH, a word written where a word was read, PTRACE_DETACH.
use strict;
use warnings;
no warnings "portable"; # addresses are 64 bits
use POSIX ();

my ($steps) = @ARGV;
my %nr = ('x86_64' => 101, 'aarch64' => 117);
my $machine = (POSIX::uname())[4];
my $ptrace = $nr{$machine} // die "no ptrace number known for $machine\n";
my $child = fork // die "fork: $!";
if (!$child) {
    exec 'sleep', '1.5' or POSIX::_exit(1);
}
open my $log, '>>', $steps or die "$steps: $!";
printf $log "victim\t%d\tchild that is taken over\n", $child;
close $log;
select undef, undef, undef, 0.2;
syscall($ptrace, 16, $child, 0, 0) == 0 or die "attach: $!";   # PTRACE_ATTACH
waitpid $child, 2;                                             # WUNTRACED
open my $maps, '<', "/proc/$child/maps" or die "maps: $!";
my ($at) = map { /^([0-9a-f]+)-[0-9a-f]+ rw/ ? hex $1 : () } <$maps>;
my $word = "\0" x 8;
syscall($ptrace, 2, $child, $at, unpack 'Q', pack 'p', $word) == 0 or warn "peek: $!"; # PTRACE_PEEKDATA
syscall($ptrace, 5, $child, $at, unpack 'Q', $word) == 0 or warn "poke: $!";           # PTRACE_POKEDATA: the same word again
syscall($ptrace, 17, $child, 0, 0) == 0 or warn "detach: $!";  # PTRACE_DETACH
kill 'CONT', $child;
waitpid $child, 0;
