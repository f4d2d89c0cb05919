#!/usr/bin/perl
# The attacker's side of the stories, on loopback only: serves files of a folder, swallows posted data, and
# talks to reverse shells with a fixed list of harmless commands. Ends by itself after 90 s.
use strict;
use warnings;
use IO::Socket::INET;
use IO::Select;

my ($ports, $folder) = @ARGV;
alarm 90;
$SIG{PIPE} = 'IGNORE';
my $web   = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1', LocalPort => 0, ReuseAddr => 1) or die "listen: $!";
my $shell = IO::Socket::INET->new(Listen => 4,  LocalAddr => '127.0.0.1', LocalPort => 0, ReuseAddr => 1) or die "listen: $!";
open my $out, '>', "$ports.new" or die "$ports: $!";
print $out $web->sockport, ' ', $shell->sockport, "\n";
close $out;
rename "$ports.new", $ports or die "$ports: $!";

my $all = IO::Select->new($web, $shell);
while (my @ready = $all->can_read) {
    for my $s (@ready) {
        my $c = $s->accept or next;
        if ($s == $shell) { talk($c) } else { serve($c) }
        close $c;
    }
}

sub talk {
    my ($c) = @_;
    print $c "id\nuname -a\nhostname\nexit\n";
    my $until = time + 5;
    my $buf;
    while (time < $until) {
        last unless IO::Select->new($c)->can_read(1);
        last unless sysread $c, $buf, 4096;
    }
}

sub serve {
    my ($c) = @_;
    my $sel = IO::Select->new($c);
    my ($head, $part) = ('', '');
    while ($head !~ /\r\n\r\n/ && length $head < 1 << 20) {
        last unless $sel->can_read(3) && sysread $c, $part, 65536;
        $head .= $part;
    }
    my ($method, $path) = $head =~ m{^(\w+) (/\S*)} or return;
    if ($method eq 'POST') {
        my ($len) = $head =~ /content-length:\s*(\d+)/i;
        my ($body) = $head =~ /\r\n\r\n(.*)/s;
        while (length $body < ($len // 0) && length $body < 1 << 20) {
            last unless $sel->can_read(3) && sysread $c, $part, 65536;
            $body .= $part;
        }
        return print $c "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    }
    my ($name) = $path =~ m{^/([A-Za-z0-9._-]+)};
    if (!defined $name || !open my $in, '<:raw', "$folder/$name") {
        return print $c "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    } else {
        local $/;
        my $body = <$in>;
        my $type = $name =~ /\.html$/ ? 'text/html; charset=utf-8' : 'application/octet-stream';
        my $as = $type =~ /html/ ? '' : "Content-Disposition: attachment; filename=\"$name\"\r\n";
        print $c "HTTP/1.1 200 OK\r\nContent-Type: $type\r\n${as}Content-Length: ", length $body, "\r\nConnection: close\r\n\r\n", $body;
    }
}
