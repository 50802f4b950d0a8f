/*
Sgward judges security group rules by a policy.

	sgward demo                   a scripted tour of the whole product on this machine, without AWS
	sgward local                  the whole stack on this machine, for any AWS client
	sgward replay PATH...         what the policy would have done to a history of CloudTrail records
	sgward audit [PATH...]        judge the security groups that exist now, live or from files
	sgward explain                the verdict on a rule or an event, the statements that led to it, line numbers
	sgward policy lint [FILE...]  every problem of policy files, by line
	sgward policy test [FILE...]  unit tests of a policy
	sgward policy schema          the JSON Schema of policy files, for editors
	sgward undo ALERT...          put back exactly what an alert says was closed
	sgward doctor                 is a deployed stack whole, and does it work
	sgward redrive [MESSAGE-ID...] send dead letters back, to be judged anew
	sgward group create           make a group to a known-good pattern
	sgward group allow            add a rule that the policy allows
	sgward version                the version
	sgward completion SHELL       a completion script for bash, zsh, fish or PowerShell

# Exit status

	0  clean
	1  error: it could not be done, or a policy test failed
	2  usage: the command line or a policy file is wrong
	3  a finding other than exempt was printed (--fail-on sets which count)

An error wins over findings. Findings and other results are on standard output,
everything else is on standard error.
*/
package main
