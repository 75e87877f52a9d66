#!/usr/bin/perl
# What the pageserver asks of a control plane, answered for the case of one pageserver for ever:
# every generation it holds is valid. Without an answer it never lets go of old WAL, and the safekeeper's disk
# fills over days. Only what Debian's perl-base has is used.
use strict;
use warnings;
use IO::Socket::INET;

my ($port, $home) = @ARGV;
my $server = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16, ReuseAddr => 1,
) or die "control stub: port $port: $!\n";
$SIG{PIPE} = 'IGNORE';

while (my $client = $server->accept) {
    eval {
        local $SIG{ALRM} = sub { die "silent client\n" };
        alarm 10;
        answer($client);
        alarm 0;
    };
    alarm 0;
    print STDERR "control stub: $@" if $@;
    close $client;
}

sub answer {
    my ($client) = @_;
    my $request = <$client> // return;
    my $length = 0;
    while (defined(my $line = <$client>)) {
        last if $line =~ /^\r?\n$/;
        $length = $1 if $line =~ /^content-length:\s*(\d+)/i;
    }
    my $body = '';
    while (length $body < $length) {
        read($client, $body, $length - length $body, length $body) or last;
    }
    my ($method, $path) = split ' ', $request;
    return reply($client, '200 OK', validate($body)) if $path =~ m{/validate$};
    return reply($client, '200 OK', re_attach()) if $path =~ m{/re-attach$};
    print STDERR "control stub: unknown request $method $path\n";
    reply($client, '404 Not Found', '{"msg":"not known here"}');
}

# {"tenants":[{"id":"...","gen":1}, ...]}: every one is valid
sub validate {
    my ($body) = @_;
    my @ids = $body =~ /"id"\s*:\s*"([0-9a-fA-F-]+)"/g;
    return '{"tenants":[' . join(',', map { qq({"id":"$_","valid":true}) } @ids) . ']}';
}

# Not asked in emergency mode; answered from the tenants on disk, so that leaving it is possible.
sub re_attach {
    my @found;
    for my $directory (glob "$home/tenants/*") {
        my ($id) = $directory =~ m{([0-9a-f]{32}[0-9a-f-]*)$} or next;
        my $gen = 1;
        if (open my $file, '<', "$directory/config-v1") {
            local $/;
            $gen = $1 if <$file> =~ /generation\s*=\s*(\d+)/;
        }
        push @found, qq({"id":"$id","gen":$gen,"mode":"AttachedSingle","stripe_size":32768});
    }
    return '{"tenants":[' . join(',', @found) . ']}';
}

sub reply {
    my ($client, $status, $body) = @_;
    my $length = length $body;
    print $client "HTTP/1.1 $status\r\nContent-Type: application/json\r\n"
        . "Content-Length: $length\r\nConnection: close\r\n\r\n$body";
}
