#!/usr/bin/perl
# A small HTTP service with a command injection, for one story. Loopback only, one random word must be
# known to use it, and it ends by itself after 30 s.
use strict;
use warnings;
use IO::Socket::INET;

my ($port_file, $word) = @ARGV;
alarm 30;
my $s = IO::Socket::INET->new(Listen => 8, LocalAddr => '127.0.0.1', LocalPort => 0, ReuseAddr => 1) or die "listen: $!";
open my $out, '>', "$port_file.new" or die "$port_file: $!";
print $out $s->sockport, "\n";
close $out;
rename "$port_file.new", $port_file or die "$port_file: $!";

while (my $c = $s->accept) {
    my $line = <$c> // next;
    while (defined(my $h = <$c>)) { last if $h =~ /^\r?\n$/ }
    my $body = "thumbnails: 3\n";
    if ($line =~ m{^GET /thumb/\Q$word\E\?size=(\S*)}) {
        (my $size = $1) =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
        # the hole: what the visitor sent becomes part of a shell's command line
        $body = `echo size $size 2>&1`;
    }
    print $c "HTTP/1.0 200 OK\r\nContent-Length: ", length $body, "\r\n\r\n", $body;
    close $c;
}
