#!/usr/bin/perl
# Seeds a new Request Tracker: queues, custom fields, a user for the API; prints its token.
use strict;
use warnings;
use lib '/usr/share/request-tracker5/lib';
use RT -init;

my $system = RT->SystemUser;

# Whoever finds the web pages on loopback cannot log in with the password that everybody knows.
my $root = RT::User->new($system);
$root->Load('root');
$root->SetPassword(join '', map { ('a' .. 'z', 0 .. 9)[rand 36] } 1 .. 32);

for my $name ('Support', 'Billing') {
    my $queue = RT::Queue->new($system);
    my ($id, $message) = $queue->Create(Name => $name);
    die "$name: $message" unless $id;
}

# RecordKey and OperationId are the connector's defaults. Every queue has each field, but only Support the last two.
my @fields = (
    ['RecordKey',   'FreeformSingle', 0],
    ['OperationId', 'FreeformSingle', 0],
    ['Category',    'SelectSingle',   0, 'bug', 'invoice', 'other'],
    ['Order Number', 'FreeformSingle', 'Support'],
    ['Topics',       'FreeformMultiple', 'Support'],
);
for my $field (@fields) {
    my ($name, $type, $where, @values) = @$field;
    my $custom = RT::CustomField->new($system);
    my ($id, $message) = $custom->Create(Name => $name, Type => $type, LookupType => 'RT::Queue-RT::Ticket');
    die "$name: $message" unless $id;
    $custom->AddValue(Name => $_) for @values;
    my $queue = RT::Queue->new($system);
    $queue->Load($where) if $where;
    $custom->AddToObject($queue);
}

my $user = RT::User->new($system);
my ($id, $message) = $user->Create(Name => 'interlock', EmailAddress => 'interlock@test.local', Privileged => 1);
die $message unless $id;
my @rights = qw(SeeQueue ShowTicket ShowTicketComments CreateTicket ModifyTicket CommentOnTicket ReplyToTicket
    OwnTicket DeleteTicket SeeCustomField ModifyCustomField ManageAuthTokens);
$user->PrincipalObj->GrantRight(Right => $_, Object => RT->System) for @rights;

require RT::AuthToken;
my $api_user = RT::CurrentUser->new($system);
$api_user->Load('interlock');
my $token = RT::AuthToken->new($api_user);
my ($token_id, $why, $text) = $token->Create(Owner => $api_user->Id, Description => 'tests');
die $why unless $token_id;
print $text;
